"""A child's own history and household: what came before, who lives there, who else is to be looked at."""
