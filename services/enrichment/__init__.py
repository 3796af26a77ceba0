"""Asks the agencies what they know of a child, and keeps every kind of silence apart from an answer."""
