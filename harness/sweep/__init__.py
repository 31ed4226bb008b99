"""Finds what dead runs left, and undoes it: for runs whose owner and whose reaper have died.

Judged by marks and by whose they are, never by age: :mod:`harness.sweep.judge`.
"""

from harness.sweep.gather import Run, gather, ledgers
from harness.sweep.judge import Facts, Standing, judge
from harness.sweep.sweep import Swept, overdue, preview, sweep, wait_for_reaper
from harness.sweep.workers import tend_workers

__all__ = [
    "Facts",
    "Run",
    "Standing",
    "Swept",
    "gather",
    "judge",
    "ledgers",
    "overdue",
    "preview",
    "sweep",
    "tend_workers",
    "wait_for_reaper",
]
