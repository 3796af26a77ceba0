"""The queue as it changes: which cases are new or different, told to whoever listens."""
