"""Who has the pen of a case, and whose case it is."""
