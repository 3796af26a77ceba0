"""Events written with their effects, carried in order, applied once: outbox, log, relay, inbox, runner, timers."""
