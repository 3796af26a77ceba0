"""The policies of the running service: stored, in force from when, in the shadow, shown, replayed, back-tested."""
