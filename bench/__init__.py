"""Performance, measured side by side with a floor or with the usual way of writing the same thing. Prints JSON."""

import sys

import structlog

# What runs inside a benchmark's own process logs beside its result, never into it.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
