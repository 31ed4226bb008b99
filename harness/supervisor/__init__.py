"""Starts processes of ours so that each of them ends, on every way out.

Each process leads a session of its own, carries the run's marker in its environment, and stands in
the entries of a reaper (:mod:`harness.reaper`), which acts when this process dies.
"""

from harness.supervisor.process import Process, harmless
from harness.supervisor.supervisor import Supervisor

__all__ = ["Process", "Supervisor", "harmless"]
