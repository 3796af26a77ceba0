"""Professional challenge: somebody disagrees with a decision, and somebody else than the decider looks again."""
