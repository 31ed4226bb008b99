"""Draws that depend on what they are for, never on when or in which order they are made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

__all__ = ["Draws"]

_MASK: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_UNIT: Final = 2.0**-53


@dataclass(frozen=True, slots=True)
class Draws:
    """A table without end of uniform numbers: the entry at (``block``, ``turn``) is always the same.

    Source: the mixer of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number
    Generators", OOPSLA 2014), run on a counter.

    >>> Draws.of(7, "redis", 1).share(0) == Draws.of(7, "redis", 1).share(0)
    True
    """

    key: int

    @classmethod
    def of(cls, seed: int, *names: str | int) -> Draws:
        """Those for ``names`` under a run's seed; other names never disturb them."""
        text = "\x1f".join([str(seed), *map(str, names)])
        return cls(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))

    def bits(self, block: int, turn: int = 0) -> int:
        """64 of them, for the ``turn``-th time that ``block`` is drawn for, both from 0."""
        z = (self.key ^ (turn * 0xD1B54A32D192ED03 & _MASK)) + (block + 1) * _GOLDEN & _MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK
        return z ^ z >> 31

    def share(self, block: int, turn: int = 0) -> float:
        """In [0, 1)."""
        return (self.bits(block, turn) >> 11) * _UNIT

    def below(self, bound: int, block: int, turn: int = 0) -> int:
        """An integer in [0, ``bound``); its bias is below 2**-32 for bounds below 2**32."""
        return self.bits(block, turn) * bound >> 64
