"""Tests of the alerts about red work."""
