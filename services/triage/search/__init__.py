"""Search: cases by what a caller on the telephone can say, found by keyed hashes alone."""
