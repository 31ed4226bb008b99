"""How one fact changes one state: all states that may follow, none where it cannot have happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final, Literal

from harness.models.breaker.readings import As, Masks, Reading, Way, bound, values
from harness.models.breaker.rules import Rules, Trials, Trip, Weak
from harness.models.breaker.state import (
    NEVER,
    Mode,
    State,
    Tag,
    closing,
    departed,
    half_opened,
    landed,
    opening,
    retagged,
    tags_of,
)
from harness.models.breaker.windows import (
    Sides,
    Span,
    Table,
    Window,
    added,
    begun,
    forgettings,
    noted,
    refused,
    table,
)

Outcome = Literal["ok", "failed", "uncounted", "gone", "gone_ok", "gone_failed", "gone_uncounted"]
"""How a call on the dependency ended; ``gone``: its own client had left before, and ``gone_ok``: the
dependency answered all the same.
"""
_UNSEEN_MOST: Final = 32
"""So often at most one call tries what it cannot reach, without a wait between."""
_MEANS: Final = {As.IGNORED: None, As.SUCCESS: False, As.FAILURE: True}
_ANSWERED: Final[dict[Outcome, Outcome]] = {
    "gone_ok": "ok",
    "gone_failed": "failed",
    "gone_uncounted": "uncounted",
}


def admitted(rules: Rules, state: State, call: int, now: Span) -> Iterator[State]:
    """A call reaches the dependency."""
    state = _kept(rules, state, now, calls=1)
    match state.mode:
        case Mode.CLOSED:
            yield _begun(rules, state, call, now)
        case Mode.OPEN:
            if rules.recovery.may_be_over(now[1] - state.opened[0], state.level):
                yield from _first_trial(rules, state, call, now)
        case Mode.HALF_OPEN:
            yield from _trial(rules, state, call, now)


def _kept(
    rules: Rules, state: State, now: Span, *, failed: int = 0, good: int = 0, calls: int = 0
) -> State:
    """Whatever happens may stay in a window that no closing clears."""
    if all(isinstance(window, int) for window in state.windows):
        return state
    pairs = zip(rules.trips, state.windows, strict=True)
    windows = tuple(
        noted(trip, window, now, failed=failed, good=good, calls=calls) for trip, window in pairs
    )
    return state._replace(windows=windows)


def _begun(rules: Rules, state: State, call: int, now: Span) -> State:
    pairs = zip(rules.trips, state.windows, strict=True)
    windows = tuple(begun(trip, window, now) for trip, window in pairs)
    return departed(state._replace(windows=windows), call, Tag.CLOSED)


def _first_trial(rules: Rules, state: State, call: int, now: Span) -> Iterator[State]:
    for masks, way in _read(state.masks, Reading.HALF_OPEN):
        its = state._replace(masks=masks)
        if way == Way.FIRST:
            yield departed(half_opened(its)._replace(lease=now[0]), call, Tag.TRIAL)
        else:
            yield _begun(rules, closing(its, rules=rules), call, now)


def _trial(rules: Rules, state: State, call: int, now: Span) -> Iterator[State]:
    """Within the permits; beyond them only beside trials that have hung too long."""
    trials = rules.trials or Trials()
    under_way = state.in_flight(Tag.TRIAL)
    has_permit = trials.permits is None or under_way < trials.permits
    if trials.rate is not None:
        has_permit &= state.good + state.bad + under_way < (trials.successes or 1)
    if has_permit:
        yield departed(state._replace(lease=now[0]), call, Tag.TRIAL)
    elif under_way and now[1] - state.lease >= rules.lease_ns(state.level):
        anew = retagged(state, Tag.TRIAL, Tag.HANGING)._replace(lease=now[0])
        yield departed(anew, call, Tag.TRIAL)
        if state.good or state.bad:
            yield departed(anew._replace(good=0, bad=0), call, Tag.TRIAL)


def rejected(rules: Rules, state: State, now: Span) -> Iterator[State]:
    """A call is answered without reaching the dependency."""
    if state.mode is Mode.OPEN:
        is_open = now[0] - state.opened[1] <= rules.recovery.longest_ns(state.level)
        within_ns = rules.recovery.within_ns
        if within_ns is not None:
            is_open &= now[0] - state.since <= within_ns + rules.recovery.guard_ns
    else:
        is_open = state.mode is Mode.HALF_OPEN and state.in_flight(Tag.TRIAL, Tag.HANGING) > 0
    if is_open:
        yield state._replace(windows=tuple(map(refused, state.windows)))


def unseen(rules: Rules, state: State, call: int, outcome: Outcome, now: Span) -> Iterator[State]:
    """A call that was refused, or that tried a dependency that could not be reached, perhaps often."""
    yield from rejected(rules, state, now)
    found: set[State] = set()
    last = {state}
    for _ in range(_UNSEEN_MOST):
        begun = (each for one in last for each in admitted(rules, one, call, now))
        last = {after for one in begun for after in ended(rules, one, call, outcome, now)} - found
        found |= last
    for one in found:
        yield one
        yield from rejected(rules, one, now)


def stuck(rules: Rules, state: State, now: Span) -> Iterator[State]:
    """A call has neither reached the dependency nor an answer, and the service is at rest."""
    if state.mode is Mode.CLOSED or (state.in_flight() and not _must_refuse(rules, state, now)):
        yield state


def _must_refuse(rules: Rules, state: State, now: Span) -> bool:
    """Whether a call can only be refused, and who is refused never waits."""
    if not rules.prompt:
        return False
    if state.mode is Mode.OPEN:
        return not rules.recovery.may_be_over(now[1] - state.opened[0], state.level)
    permits = (rules.trials or Trials()).permits
    return permits is not None and state.in_flight(Tag.TRIAL) >= permits


def ended(rules: Rules, state: State, call: int, outcome: Outcome, now: Span) -> Iterator[State]:
    """A call that reached the dependency ends."""
    good, bad = outcome != "failed", outcome != "ok"
    state = _kept(rules, state, now, failed=int(bad), good=int(good))
    for tag in tags_of(state, call):
        after = landed(state, call, tag)
        reading = Reading.UNCOUNTED
        if tag in {Tag.TRIAL, Tag.HANGING} or state.mode is Mode.HALF_OPEN:
            reading = Reading.UNCOUNTED_TRIAL
        for masks, failed in _meant(after.masks, outcome, reading):
            its = after._replace(masks=masks)
            match tag:
                case Tag.CLOSED:
                    yield from _counted(rules, its, failed, now)
                case Tag.TRIAL:
                    yield from _tried(rules, its, failed, now)
                case Tag.HANGING | Tag.LATE:
                    yield from _late(rules, its, failed, now)


def _meant(masks: Masks, outcome: Outcome, reading: Reading) -> Iterator[tuple[Masks, bool | None]]:
    """What the breaker makes of it: True a failure, False a success, None nothing."""
    if outcome in {"ok", "failed"}:
        yield masks, outcome == "failed"
        return
    if outcome == "uncounted":
        yield from ((its, _MEANS[As(value)]) for its, value in _read(masks, reading))
        return
    for its, value in _read(masks, Reading.CANCELLED):
        if value != As.ANSWERED:
            yield its, _MEANS[As(value)]
        elif outcome == "gone":
            yield from ((its, means) for means in _MEANS.values())
        else:
            yield from _meant(its, _ANSWERED[outcome], reading)


def _counted(rules: Rules, state: State, failed: bool | None, now: Span) -> Iterator[State]:
    """A result while closed."""
    if failed is None:
        yield state
        return
    pairs = zip(rules.trips, state.windows, strict=True)
    windows = tuple(added(trip, window, now, failed=failed) for trip, window in pairs)
    state = state._replace(windows=windows)
    # `consecutive` and counts within a window only rise by failures; shares and the weakest may
    # also be judged after a success.
    is_judged_always = rules.has_rate or any(isinstance(trip, Weak) for trip in rules.trips)
    if failed or is_judged_always:
        yield from _judged(rules, state, now, failed=failed)
    else:
        yield state


def _judged(rules: Rules, state: State, now: Span, *, failed: bool) -> Iterator[State]:
    pairs = tuple(zip(rules.trips, state.windows, strict=True))
    tables = [table(trip, window, now) for trip, window in pairs]
    for masks, place, is_judged in _ways(rules, state.masks, tables, failed=failed):
        its = state._replace(masks=masks)
        if not is_judged:
            yield its
            continue
        volume, above = place
        opens, stays = False, []
        for (trip, window), found in zip(pairs, tables, strict=True):
            may, must = found[volume][above]
            others = _forgotten(trip, window, now, place) if may == must else ()
            opens |= may or any(opens_too for _, (opens_too, _) in others)
            stays.append(
                [each for each, (_, must_too) in others if not must_too] if must else [window]
            )
        if opens:
            yield opening(its, now, since=now[1], level=0)
        for windows in product(*stays):
            yield its._replace(windows=windows)


def _forgotten(
    trip: Trip, window: Window, now: Span, place: tuple[int, int]
) -> list[tuple[Window, Sides]]:
    """What would be left of a window that forgets all at once, and whether that may and must open."""
    volume, above = place
    return [
        (each, table(trip, each, now)[volume][above]) for each in forgettings(trip, window, now)
    ]


def _ways(
    rules: Rules, masks: Masks, tables: list[Table], *, failed: bool
) -> Iterator[tuple[Masks, tuple[int, int], bool]]:
    """Each way to read it that makes a difference: volume, at or above, judged after successes."""
    plain = all(_is_flat(found) for found in tables)
    nothing = plain and not any(found[0][0][0] for found in tables)
    if plain and (failed or nothing or not rules.has_rate):
        yield masks, (0, 0), True
        return
    judged = [(masks, True)]
    if not failed and rules.has_rate:
        judged = [(its, way == Way.SECOND) for its, way in _read(masks, Reading.JUDGED)]
    for its, is_judged in judged:
        if not is_judged or plain:
            yield its, (0, 0), is_judged
            continue
        for volume, way in _read(its, Reading.VOLUME):
            for one, exactly in _read(volume, Reading.EXACTLY):
                yield one, (way - 1, exactly - 1), True


def _is_flat(found: Table) -> bool:
    (one, two), (three, four) = found
    return one == two == three == four


def _tried(rules: Rules, state: State, failed: bool | None, now: Span) -> Iterator[State]:
    """A trial's result while half-open."""
    if failed is None:
        yield state
        return
    trials = rules.trials or Trials()
    if trials.rate is not None:
        yield from _decided(rules, trials, state, now, failed=failed)
    elif failed:
        yield opening(state, now, since=NEVER, level=rules.recovery.next_level(state.level))
    elif trials.successes is not None:
        good = state.good + 1
        yield closing(state) if good >= trials.successes else state._replace(good=good)
    else:
        yield from _closed_by_some(state)


def _decided(
    rules: Rules, trials: Trials, state: State, now: Span, *, failed: bool
) -> Iterator[State]:
    """Once all results are in, their share of failures decides; exactly at the rate either may be."""
    good, bad = state.good + (not failed), state.bad + failed
    total = trials.successes or 1
    if good + bad < total:
        yield state._replace(good=good, bad=bad)
        return
    share = bad - (trials.rate or 0) * total
    if share >= 0 and bad:
        yield opening(state, now, since=NEVER, level=rules.recovery.next_level(state.level))
    if share <= 0:
        yield closing(state)


def _closed_by_some(state: State) -> Iterator[State]:
    """How many good trials close it is seen, and then it is so always."""
    mask, good = state.masks[Reading.SUCCESSES], state.good + 1
    this = 1 << (good - 1)
    later = mask & ~((this << 1) - 1)
    if mask & this:
        yield closing(state._replace(masks=bound(state.masks, Reading.SUCCESSES, this)))
    if later:
        masks = bound(state.masks, Reading.SUCCESSES, later)
        yield state._replace(masks=masks, good=good)


def _late(rules: Rules, state: State, failed: bool | None, now: Span) -> Iterator[State]:
    """The result of a call that was begun before the last change of state."""
    match state.mode:
        case Mode.CLOSED:
            for masks, way in _read(state.masks, Reading.LATE_CLOSED):
                its = state._replace(masks=masks)
                yield from [its] if way == Way.FIRST else _counted(rules, its, failed, now)
        case Mode.HALF_OPEN:
            yield from _late_trial(rules, state, failed, now)
        case Mode.OPEN:
            yield from _late_open(rules, state, failed, now)
            if rules.recovery.may_be_over(now[1] - state.opened[0], state.level):
                yield from _by_timer(rules, state, failed, now)


def _late_trial(rules: Rules, state: State, failed: bool | None, now: Span) -> Iterator[State]:
    for masks, way in _read(state.masks, Reading.LATE_TRIAL):
        its = state._replace(masks=masks)
        yield from [its] if way == Way.FIRST else _tried(rules, its, failed, now)


def _late_open(rules: Rules, state: State, failed: bool | None, now: Span) -> Iterator[State]:
    if failed is None:
        yield state
        return
    reading = Reading.LATE_FAILURE_OPEN if failed else Reading.LATE_SUCCESS
    for masks, way in _read(state.masks, reading):
        its = state._replace(masks=masks)
        if way == Way.FIRST:
            yield its
        elif failed:
            for level in {state.level, rules.recovery.next_level(state.level)}:
                yield opening(its, now, since=state.since, level=level)
        else:
            yield closing(its)


def _by_timer(rules: Rules, state: State, failed: bool | None, now: Span) -> Iterator[State]:
    """The recovery may be over already: a timer has made it half-open, or closed."""
    if not state.masks[Reading.HALF_OPEN_BY] & Way.SECOND:
        return
    masks = bound(state.masks, Reading.HALF_OPEN_BY, Way.SECOND)
    for its, way in _read(masks, Reading.HALF_OPEN):
        after = state._replace(masks=its)
        after = half_opened(after) if way == Way.FIRST else closing(after, rules=rules)
        yield from _late(rules, after, failed, now)


def _read(masks: Masks, reading: Reading) -> Iterable[tuple[Masks, int]]:
    """Each value that a reading may still have, bound."""
    mask = masks[reading]
    return ((bound(masks, reading, value), value) for value in values(mask))
