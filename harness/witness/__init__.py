"""The witness: a scripted HTTP dependency, a process of its own, and the handle that tells it what to do.

``harness.witness.handle.Witness`` is the handle; everything else runs in the witness's own process,
or says how the two talk. This file imports nothing, so that the process is up in some milliseconds.
"""
