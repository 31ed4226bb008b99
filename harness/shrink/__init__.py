"""From a counterexample as it was played to the smallest plan that shows the same.

Unrolled first (fixed calls and waits, as played), then cut to what the proof needs (the model: the
recorded history alone), then tried on the wire, smaller and smaller. All of it is pure but for the
``seen`` function that plays a plan.
"""
