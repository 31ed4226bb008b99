"""The faults of a wire: one file a type. ``TYPES`` is where the API looks them up."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from harness.faults.wire.base import InvalidFault, WireFault, attribute_types, attributes
from harness.faults.wire.latency import Latency
from harness.faults.wire.noop import Noop

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TYPES", "InvalidFault", "WireFault", "attribute_types", "attributes"]

TYPES: Final[Mapping[str, type[WireFault]]] = MappingProxyType(
    {fault.type: fault for fault in (Latency, Noop)}
)
