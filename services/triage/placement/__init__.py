"""From a level of need to a destination, by the partnership's `placement.yaml`."""
