"""Who may be asked for what: the data-sharing agreement as data, its decisions, and the record of every disclosure."""
