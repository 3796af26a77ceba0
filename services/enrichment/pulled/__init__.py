"""Agencies that fetch their questions: a work table under leases, a web form over it, and a weekly list as CSV."""
