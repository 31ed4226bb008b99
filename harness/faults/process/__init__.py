"""The faults of processes: one file a fault. They are values; :mod:`harness.nemesis` carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from harness.faults.process.base import TARGET, ProcessFault, whose
from harness.faults.process.clock import ClockStepped
from harness.faults.process.descriptors import DescriptorsExhausted
from harness.faults.process.disk import DiskFull
from harness.faults.process.killed import ProcessKilled
from harness.faults.process.memory import MemoryLimited
from harness.faults.process.paused import ProcessPaused

__all__ = [
    "FAULTS",
    "TARGET",
    "ClockStepped",
    "DescriptorsExhausted",
    "DiskFull",
    "Fault",
    "MemoryLimited",
    "ProcessFault",
    "ProcessKilled",
    "ProcessPaused",
    "fault_to_json",
    "whose",
]

Fault = (
    ProcessPaused | ProcessKilled | DescriptorsExhausted | MemoryLimited | DiskFull | ClockStepped
)

FAULTS: Final[Mapping[str, type[Fault]]] = MappingProxyType(
    {
        fault.__name__: fault
        for fault in (
            ProcessPaused,
            ProcessKilled,
            DescriptorsExhausted,
            MemoryLimited,
            DiskFull,
            ClockStepped,
        )
    }
)
"""By the name that a plan's file gives them."""


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """A JSON object that names the fault and gives its settings."""
    return {"fault": type(fault).__name__, **asdict(fault)}
