"""Held time: a clock for targets and their stores that the runner freezes, moves and jumps.

Importing this package builds and loads nothing; `harness.clock.held.HeldClock` does.
"""
