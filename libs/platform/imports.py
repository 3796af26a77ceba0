"""The imports at a process's start. This module imports nothing heavy: it is there before everything else is."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Makes what is imported inside part of the process for good, unseen by the garbage collector.

    Modules, classes and functions stay until the end: looking through them again and again while they grow takes a
    quarter of the start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
