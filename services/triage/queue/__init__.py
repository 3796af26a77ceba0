"""The queue: every case in which somebody must act, most urgent first. Codes and times, never what was said."""
