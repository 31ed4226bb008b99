"""The witnesses of a world: started with it, told what to answer, asked what they saw."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from operator import attrgetter
from random import Random
from typing import Final, Literal

from harness.errors import CouldNotRun
from harness.history import Arrival
from harness.runner.processes import connecting
from harness.runner.times import PlanEnded
from harness.script import USUAL, Answer, Reach, Script
from harness.witness.handle import Witness

Order = Literal["oldest", "newest", "random"]

REACHED: Final[Mapping[Reach, str]] = {"refuse": "refused", "black_hole": "black_hole"}
"""What a fault is called by which a witness cannot be reached."""


_CONNECTS_S: Final = 8.0
"""A kernel tries a connect again after 1, 3 and 7 s."""
_LOOK_S: Final = 0.01


@dataclass(slots=True)
class Witnesses:
    """All of one world, over every start of its target.

    Attributes:
        running: those of the present start, by name of the dependency.
    """

    running: dict[str, Witness] = field(default_factory=dict)
    _ending: list[Witness] = field(default_factory=list)
    _earlier: tuple[Arrival, ...] = ()
    _numbers: dict[str, tuple[int, int]] = field(default_factory=dict)
    _known: dict[str, Sequence[Arrival]] = field(default_factory=dict)
    _open: dict[str, set[int]] = field(default_factory=dict)
    _scripted: set[str] = field(default_factory=set)
    _cut: dict[str, Reach] = field(default_factory=dict)

    def start(self, witness: Witness) -> None:
        """Start the witness of a dependency."""
        witness.start()
        self.running[witness.name] = witness

    def note(self) -> None:
        """Keep what was seen, of one that has died what is known: the target is about to end."""
        for name in self.running:
            with suppress(CouldNotRun):
                self._seen_by(name)
        known = [one for seen in self._known.values() for one in seen]
        self._earlier = (*self._earlier, *sorted(known, key=attrgetter("at_ns")))
        for name, seen in self._known.items():
            numbers, connections = self._numbers.get(name, (0, 0))
            self._numbers[name] = (
                max((one.number for one in seen), default=numbers),
                max((one.connection for one in seen), default=connections),
            )
        self._ending = list(self.running.values())
        for each in (self.running, self._known, self._open, self._scripted, self._cut):
            each.clear()

    def stop(self) -> None:
        """End those that were noted; the numbers of a later start go on from there."""
        for witness in self._ending:
            witness.stop()
        self._ending = []

    def arrivals(self) -> tuple[Arrival, ...]:
        """What all of them saw until now, in the order in which it came."""
        return (*self._earlier, *self.recent())

    def recent(self) -> Sequence[Arrival]:
        """The same, since the target was started."""
        found = [self._seen_by(name) for name in self.running]
        if len(found) == 1:
            return found[0]
        return sorted((one for seen in found for one in seen), key=attrgetter("at_ns"))

    def held(self) -> list[Arrival]:
        """The requests that are under way at a witness."""
        return [one for one in self.recent() if one.state == "held"]

    def instants(self, since_ns: int) -> Iterator[int]:
        """When anything has happened at a witness since then, on the machine's clock.

        To be asked about later and later instants: whoever had ended is not looked at again.
        """
        for name in self.running:
            seen = self._seen_by(name)
            first = bisect_left(seen, since_ns, key=attrgetter("at_ns"))
            looked_at = [*seen[first:], *(seen[place] for place in self._open.get(name, ()))]
            self._open[name] = {
                one.number - seen[0].number for one in looked_at if one.state == "held"
            }
            for one in looked_at:
                yield from (ns for ns in (one.at_ns, one.ended_ns) if ns and ns >= since_ns)

    def script(self, dependency: str, script: Script) -> None:
        """From now on it answers by this script."""
        self._one(dependency).script(script)
        self._scripted.add(dependency)

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
        self._one(dependency).release(
            answer,
            times=times,
            order=order,
            numbers=None if numbers is None else [number - earlier for number in numbers],
            rng=rng,
        )

    def reach(self, dependency: str, how: Reach) -> int:
        """Let connects to it fare so; how often that was seen to work."""
        witness, before = self._one(dependency), self._cut.get(dependency)
        effect = witness.reach(how)
        if how != "open":
            self._cut[dependency] = how
            return effect
        self._cut.pop(dependency, None)
        if before == "black_hole":
            _wait_for_connects(dependency, witness.port)
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

    def _one(self, dependency: str) -> Witness:
        if dependency not in self.running:
            raise PlanEnded(
                f"there is no witness {dependency!r} here: a target that runs already calls its own "
                "dependencies; one that is started would settle it"
            )
        return self.running[dependency]

    def _seen_by(self, name: str) -> Sequence[Arrival]:
        numbers, connections = self._numbers.get(name, (0, 0))
        seen: Sequence[Arrival] = self.running[name].arrivals()
        if numbers:
            seen = [
                replace(one, number=one.number + numbers, connection=one.connection + connections)
                for one in seen
            ]
        self._known[name] = seen
        return seen


def _wait_for_connects(dependency: str, port: int) -> None:
    """Connects that hung in a black hole are tried again by the kernel, and by its own clock."""
    until_s = time.monotonic() + _CONNECTS_S
    while connecting(port):
        if time.monotonic() > until_s:
            raise PlanEnded(
                f"a connect to {dependency} was still not tried again {_CONNECTS_S:.0f} s after it could "
                "be reached; a shorter time without it would settle it"
            )
        time.sleep(_LOOK_S)
