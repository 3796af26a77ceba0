"""What becomes of a child after the decision: handed over, accepted or refused; closed, or opened again."""
