"""What a family may be offered, and what is passed on with a child."""
