"""Whether some breaker that the rules allow explains a history: all orders, all readings.

The points are split into clusters whose order is known among themselves. Within one, all orders that
the intervals allow are searched by layers: a layer holds, for each set of points that may come first,
the states that the breaker may be in after them. No state left after a layer: no reading of the
history is consistent with the rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from harness.models.breaker.points import Group, Point, What, clusters, grouped, together
from harness.models.breaker.readings import Masks, merged
from harness.models.breaker.rules import Rules
from harness.models.breaker.state import Mode, State, Tag, first_state, renamed, tags_of
from harness.models.breaker.steps import admitted, ended, rejected, stuck, unseen
from harness.models.breaker.windows import Span

STEPS_MOST: Final = 60_000
"""So many steps of states are tried; beyond that the history is too tangled."""

FOREVER: Final = 1 << 62
Placed = tuple[int, ...]
Layer = dict[Placed, tuple[State, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the breaker may be after some of the history.

    Attributes:
        time: of the points just placed.
        order: until where in the order.
        modes: what it may be.
        opened: earliest and latest instant of the opening, where it may be open.
    """

    time: Span
    order: int
    modes: frozenset[Mode]
    opened: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fatal:
    """The point that no reading explains.

    Attributes:
        group: it and those like it.
        time: its time, narrowed by what came before.
        states: all that the breaker may have been before it.
        before: the points that were placed before it, in the order of their clusters.
    """

    group: Group
    time: Span
    states: tuple[State, ...]
    before: tuple[Group, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the search found.

    Attributes:
        fatal: the contradiction; None where some reading explains all.
        tangled: given up: too many orders.
        states: what the breaker may be at the end.
        moments: what it may have been on the way.
        steps: how many steps of states were tried.
        most: the largest set of states.
    """

    fatal: Fatal | None
    tangled: bool
    states: tuple[State, ...]
    moments: tuple[Moment, ...]
    steps: int
    most: int


class _Tangled(Exception):
    pass


def decide(
    rules: Rules, points: Iterable[Point], *, start: State | None = None, most: int = STEPS_MOST
) -> Decision:
    """Search all orders and readings of ``points`` from ``start``, or from a fresh breaker."""
    return _Search(rules, most).run(tuple(points), start or first_state(rules))


@dataclass(slots=True)
class _Search:
    rules: Rules
    budget: int
    steps: int = 0
    widest: int = 1
    moments: list[Moment] = field(default_factory=list)
    before: list[Group] = field(default_factory=list)
    kin: dict[int, int] = field(default_factory=dict)

    def run(self, points: tuple[Point, ...], start: State) -> Decision:
        rest = clusters(grouped(points))
        latest = _latest(rest)
        states: tuple[State, ...] = (start,)
        floor = None
        for number, each in enumerate(rest):
            self._make_one(states)
            states = tuple(renamed(state, self.kin) for state in states) if self.kin else states
            cluster = together(each, self.kin)
            try:
                found = self._through(cluster, states, floor, latest[number + 1])
            except _Tangled:
                return self._said(states, None, tangled=True)
            if isinstance(found, Fatal):
                return self._said(found.states, found, tangled=False)
            states = found
            lows = [group.time[0] for group in cluster]
            floor = max([*lows, *([] if floor is None else [floor])])
            self._note(cluster, states, (min(lows), max(group.time[1] for group in cluster)))
        return self._said(states, None, tangled=False)

    def _make_one(self, states: tuple[State, ...]) -> None:
        """Classes of calls in flight that are the same in every state need not be told apart."""
        if not states[0].flights:
            return
        alike: dict[tuple[Tag | None, ...], int] = {}
        calls = {call for state in states for call, _, _ in state.flights}
        for call in sorted(calls):
            tags = tuple(_only(tags_of(state, call)) for state in states)
            if None in tags:
                continue
            first = alike.setdefault(tags, call)
            if first != call:
                for before, now in self.kin.items():
                    if now == call:
                        self.kin[before] = first
                self.kin[call] = first

    def _said(self, states: tuple[State, ...], fatal: Fatal | None, *, tangled: bool) -> Decision:
        return Decision(
            fatal=fatal,
            tangled=tangled,
            states=states,
            moments=tuple(self.moments),
            steps=self.steps,
            most=self.widest,
        )

    def _note(self, cluster: tuple[Group, ...], states: tuple[State, ...], time: Span) -> None:
        self.before += cluster
        opened = [state.opened for state in states if state.mode is Mode.OPEN]
        span = (min(lo for lo, _ in opened), max(hi for _, hi in opened)) if opened else None
        modes = frozenset(state.mode for state in states)
        until = max(group.order[1] for group in cluster)
        self.moments.append(Moment(time=time, order=until, modes=modes, opened=span))

    def _through(
        self,
        cluster: tuple[Group, ...],
        states: tuple[State, ...],
        floor: int | None,
        ceiling: int | None,
    ) -> tuple[State, ...] | Fatal:
        """The states after all of a cluster, or what cannot be placed."""
        layer: Layer = {(0,) * len(cluster): states}
        for _ in range(sum(len(group.calls) for group in cluster)):
            following: dict[Placed, list[State]] = {}
            for placed, these in layer.items():
                for number in _next(cluster, placed):
                    now = _narrowed(cluster, placed, number, floor, ceiling)
                    if now is None:
                        continue
                    after = self._step(cluster[number], these, now)
                    if after:
                        key = (*placed[:number], placed[number] + 1, *placed[number + 1 :])
                        following.setdefault(key, []).extend(after)
            if not following:
                return self._fatal(cluster, layer, floor, ceiling)
            layer = {placed: compressed(found) for placed, found in following.items()}
            self.widest = max(self.widest, sum(map(len, layer.values())))
        return next(iter(layer.values()))

    def _step(self, group: Group, states: tuple[State, ...], now: Span) -> list[State]:
        self.steps += len(states)
        if self.steps > self.budget:
            raise _Tangled
        return [after for state in states for after in step(self.rules, state, group, now)]

    def _fatal(
        self,
        cluster: tuple[Group, ...],
        layer: Layer,
        floor: int | None,
        ceiling: int | None,
    ) -> Fatal:
        placed, states = next(iter(layer.items()))
        waiting = list(_next(cluster, placed))
        # A refusal or an arrival says more than the end of a call, which most states allow.
        number = min(waiting, key=lambda each: cluster[each].what is What.ENDED)
        now = _narrowed(cluster, placed, number, floor, ceiling) or cluster[number].time
        done = [group for group, count in zip(cluster, placed, strict=True) if count]
        return Fatal(group=cluster[number], time=now, states=states, before=(*self.before, *done))


def step(rules: Rules, state: State, group: Group, now: Span) -> Iterator[State]:
    """All that may follow one state by one point."""
    match group.what:
        case What.ADMITTED:
            return admitted(rules, state, group.kin, now)
        case What.REJECTED:
            return rejected(rules, state, now)
        case What.STUCK:
            return stuck(rules, state, now)
        case What.ENDED:
            return ended(rules, state, group.kin, group.outcome or "ok", now)
        case What.UNSEEN:
            return unseen(rules, state, group.kin, group.outcome or "failed", now)


def compressed(states: Iterable[State]) -> tuple[State, ...]:
    """The same states in fewer: those that differ in their readings only are put together."""
    cores: dict[tuple[object, ...], list[Masks]] = {}
    for state in states:
        cores.setdefault(state[1:], []).append(state.masks)
    return tuple(
        State(masks, *core)  # type: ignore[arg-type]
        for core, found in cores.items()
        for masks in (found if len(found) == 1 else merged(found))
    )


def _only(tags: tuple[Tag, ...]) -> Tag | None:
    return tags[0] if len(tags) == 1 else None


def _next(cluster: tuple[Group, ...], placed: Placed) -> Iterator[int]:
    """Groups whose next point may come next."""
    waiting = [number for number, group in enumerate(cluster) if placed[number] < len(group.calls)]
    first_end = min(cluster[number].order[1] for number in waiting)
    begun: dict[int, int] = {}
    ended: dict[int, int] = {}
    for group, count in zip(cluster, placed, strict=True):
        if group.what is What.ADMITTED:
            begun[group.kin] = count
        elif group.what is What.ENDED:
            ended[group.kin] = ended.get(group.kin, 0) + count
    for number in waiting:
        group = cluster[number]
        if group.order[0] > first_end:
            continue
        # Calls that were admitted before this cluster may end in any order.
        if group.what is What.ENDED and ended[group.kin] >= begun.get(group.kin, FOREVER):
            continue
        yield number


def _narrowed(
    cluster: tuple[Group, ...],
    placed: Placed,
    number: int,
    floor: int | None,
    ceiling: int | None,
) -> Span | None:
    """The time of a group's next point: not before what was placed, not after what was not."""
    lo, hi = cluster[number].time
    if floor is not None:
        lo = max(lo, floor)
    if ceiling is not None:
        hi = min(hi, ceiling)
    for group, count in zip(cluster, placed, strict=True):
        if count:
            lo = max(lo, group.time[0])
        if count < len(group.calls):
            hi = min(hi, group.time[1])
    return (lo, hi) if lo <= hi else None


def _latest(rest: list[tuple[Group, ...]]) -> Mapping[int, int | None]:
    """For each cluster the latest instant that what follows it allows."""
    found: dict[int, int | None] = {len(rest): None}
    for number in range(len(rest) - 1, -1, -1):
        his = [group.time[1] for group in rest[number]]
        after = found[number + 1]
        found[number] = min([*his, *([] if after is None else [after])])
    return found
