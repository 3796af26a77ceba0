"""People of the staff: accounts, and what the people who sign in with them are called."""
