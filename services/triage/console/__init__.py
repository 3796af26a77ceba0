"""The staff's pages: they show what the operations of the API answer, and change nothing but through them."""
