"""From plan to history: the one place that drives client, clock and faults, in one thread."""
