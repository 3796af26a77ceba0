"""Asks agencies whose interfaces are described by their files: a further one is connected without a line of code."""
