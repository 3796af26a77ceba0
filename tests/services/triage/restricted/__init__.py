"""Restricted cases."""
