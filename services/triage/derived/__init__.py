"""Facts that are worked out from the form, the history and what others say, not stated."""
