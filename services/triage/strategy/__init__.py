"""The strategy discussion: who took part, what came of it, and how the child is safe meanwhile."""
