"""Who somebody is: an index of the children and adults known to the partnership, and how records are compared."""
