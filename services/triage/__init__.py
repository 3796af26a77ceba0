"""Triage: a case for each child, the thresholds applied to it, the queue, and a named person's decision."""
