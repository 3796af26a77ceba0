"""Restricted cases: staff's families, adoption, protected addresses. Hidden by the server from whoever has no right."""
