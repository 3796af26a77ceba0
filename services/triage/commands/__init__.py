"""What staff order beside deciding: who a child is, whom to ask, who else there is."""
