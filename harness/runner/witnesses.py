"""The witnesses of a world: started with it, told what to answer, asked what they saw."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from random import Random
from typing import Final, Literal

from harness.history import Arrival
from harness.script import USUAL, Answer, Reach, Script
from harness.witness.handle import Witness

Order = Literal["oldest", "newest", "random"]

REACHED: Final[Mapping[Reach, str]] = {"refuse": "refused", "black_hole": "black_hole"}
"""What a fault is called by which a witness cannot be reached."""


@dataclass(slots=True)
class Witnesses:
    """All of one world, over every start of its target.

    Attributes:
        running: those of the present start, by name of the dependency.
    """

    running: dict[str, Witness] = field(default_factory=dict)
    _ending: dict[str, Witness] = field(default_factory=dict)
    _earlier: list[Arrival] = field(default_factory=list)
    _numbers: dict[str, tuple[int, int]] = field(default_factory=dict)
    _scripted: set[str] = field(default_factory=set)
    _cut: set[str] = field(default_factory=set)

    def start(self, witness: Witness) -> None:
        """Start the witness of a dependency."""
        self.running[witness.name] = witness
        witness.start()

    def note(self) -> None:
        """Keep what was seen: the target is about to end."""
        self._earlier = list(self.arrivals())
        for name in self.running:
            seen = [one for one in self._earlier if one.dependency == name]
            self._numbers[name] = (
                max((one.number for one in seen), default=0),
                max((one.connection for one in seen), default=0),
            )
        self._ending, self.running = self.running, {}
        self._scripted.clear()
        self._cut.clear()

    def stop(self) -> None:
        """End those that were noted; the numbers of a later start go on from there."""
        for witness in self._ending.values():
            witness.stop()
        self._ending = {}

    def arrivals(self) -> tuple[Arrival, ...]:
        """What all of them saw until now, in the order in which it came."""
        found = list(self._earlier)
        for name in self.running:
            found += self._seen_by(name)
        if len(self.running) > 1:
            found.sort(key=attrgetter("at_ns"))
        return tuple(found)

    def held(self) -> list[Arrival]:
        """The requests that are under way at a witness."""
        return [one for name in self.running for one in self._seen_by(name) if one.state == "held"]

    def script(self, dependency: str, script: Script) -> None:
        """From now on it answers by this script."""
        self._scripted.add(dependency)
        self.running[dependency].script(script)

    def release(
        self,
        dependency: str,
        answer: Answer,
        *,
        times: int | None,
        order: Order,
        numbers: Collection[int] | None,
        rng: Random,
    ) -> None:
        """Answer requests that it holds; ``numbers``, as in the history, says which may be."""
        earlier = self._numbers.get(dependency, (0, 0))[0]
        self.running[dependency].release(
            answer,
            times=times,
            order=order,
            numbers=None if numbers is None else [number - earlier for number in numbers],
            rng=rng,
        )

    def reach(self, dependency: str, how: Reach) -> int:
        """Let connects to it fare so; how often that was seen to work."""
        effect = self.running[dependency].reach(how)
        if how == "open":
            self._cut.discard(dependency)
        else:
            self._cut.add(dependency)
        return effect

    @property
    def cut(self) -> tuple[str, ...]:
        """Those that cannot be reached now."""
        return tuple(sorted(self._cut))

    def clear(self) -> None:
        """Usual answers to everybody from now on, also to those that are held."""
        for name in sorted(self._scripted):
            self.running[name].script(())
            self.running[name].release(USUAL)
        self._scripted.clear()

    def _seen_by(self, name: str) -> Sequence[Arrival]:
        numbers, connections = self._numbers.get(name, (0, 0))
        seen = self.running[name].arrivals()
        if not numbers:
            return seen
        return [
            replace(one, number=one.number + numbers, connection=one.connection + connections)
            for one in seen
        ]
