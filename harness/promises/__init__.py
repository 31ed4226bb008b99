"""The kinds of promise that are known; third parties add theirs as ``stormproof.kinds``."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.contract.words import Promise
    from harness.promises.base import Kind


@cache
def kinds() -> Mapping[str, Kind]:
    """All kinds by name: our own, then those of installed packages, which cannot replace ours."""
    from harness.promises.circuit_breaker.kind import CircuitBreakerKind  # noqa: PLC0415
    from harness.promises.concurrency_limit.kind import ConcurrencyLimitKind  # noqa: PLC0415
    from harness.promises.deadline.kind import DeadlineKind  # noqa: PLC0415
    from harness.promises.rate_limit.kind import RateLimitKind  # noqa: PLC0415
    from harness.promises.retry.kind import RetryKind  # noqa: PLC0415

    found: dict[str, Kind] = {}
    for entry in entry_points(group="stormproof.kinds"):
        kind: Kind = entry.load()()
        found[kind.name] = kind
    for own in (
        RateLimitKind(),
        CircuitBreakerKind(),
        ConcurrencyLimitKind(),
        DeadlineKind(),
        RetryKind(),
    ):
        found[own.name] = own
    return found


def words() -> Mapping[str, type[Promise]]:
    """The words of each kind, as the contract loader wants them."""
    return {name: kind.words for name, kind in kinds().items()}
