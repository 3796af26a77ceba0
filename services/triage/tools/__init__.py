"""The assessment tools that were used about a child: which, when, by whom, and with what result."""
