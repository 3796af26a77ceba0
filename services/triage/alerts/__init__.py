"""Red work alerts a person: up the on-call list, until somebody says by name that they have it."""
