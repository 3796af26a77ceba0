"""A referral as a family: its children side by side, and what they share once."""
