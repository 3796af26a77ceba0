"""What named people decide for a child, who may, and who must sign beside them."""
