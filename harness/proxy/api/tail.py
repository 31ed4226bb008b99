"""Events as lines of JSON. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from harness.proxy.api.gojson import encode

if TYPE_CHECKING:
    from harness.proxy.api.messages import Follow
    from harness.proxy.wires import Events

__all__ = ["lines"]

_MOST: Final = 500


def lines(events: Events, follow: Follow) -> tuple[bytes, int]:
    """The next lines, and the number of the last event that they tell of.

    Where events were forgotten before they were told, a line ``{"lost": n}`` says how many.
    """
    told: list[str] = []
    after = follow.after
    if after + 1 < events.oldest:
        told.append(encode({"lost": events.oldest - 1 - after}))
        after = events.oldest - 1
    for event in events.after(after, _MOST):
        if follow.until is not None and event.number > follow.until:
            break
        told.append(encode(asdict(event)))
        after = event.number
    return "".join(f"{line}\n" for line in told).encode(), after
