"""The faults of a wire: one file a type. ``TYPES`` is where the API looks them up."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from harness.faults.wire.accept_and_hang import AcceptAndHang
from harness.faults.wire.accept_then_reset import AcceptThenReset
from harness.faults.wire.bandwidth import Bandwidth
from harness.faults.wire.base import InvalidFault, WireFault, attribute_types, attributes
from harness.faults.wire.corrupt import Corrupt
from harness.faults.wire.duplicate import Duplicate
from harness.faults.wire.latency import Latency
from harness.faults.wire.limit_data import LimitData
from harness.faults.wire.limit_time import LimitTime
from harness.faults.wire.noop import Noop
from harness.faults.wire.packet_loss import PacketLoss
from harness.faults.wire.reset_peer import ResetPeer
from harness.faults.wire.slicer import Slicer
from harness.faults.wire.slow_close import SlowClose
from harness.faults.wire.slow_open import SlowOpen
from harness.faults.wire.timeout import Timeout

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TYPES", "InvalidFault", "WireFault", "attribute_types", "attributes"]

TYPES: Final[Mapping[str, type[WireFault]]] = MappingProxyType(
    {
        fault.type: fault
        for fault in (
            AcceptAndHang,
            AcceptThenReset,
            Bandwidth,
            Corrupt,
            Duplicate,
            Latency,
            LimitData,
            LimitTime,
            Noop,
            PacketLoss,
            ResetPeer,
            Slicer,
            SlowClose,
            SlowOpen,
            Timeout,
        )
    }
)
