"""By when things are due: the hub's calendar, the clocks of `clocks.yaml`, and why an instant is what it is."""
