"""Panels with their agendas and outcomes, and the lists that are printed and exported."""
