"""Facts from staff: a telephone call, a visit, a record read. Added, corrected, taken back, and never deleted."""
