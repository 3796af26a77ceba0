"""Performance, measured side by side with a floor or with the usual way of writing the same thing."""
