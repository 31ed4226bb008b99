"""Named random streams: the same seed and names give the same draws, whatever else was drawn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Seed:
    """The one number that a run is drawn from.

    >>> Seed(7).stream("rate_limit", "T10").random() == Seed(7).stream("rate_limit", "T10").random()
    True
    """

    value: int

    def stream(self, *names: str | int) -> Random:
        """A stream of its own for ``names``; other names never disturb it."""
        text = "\x1f".join([str(self.value), *map(str, names)])
        return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))
