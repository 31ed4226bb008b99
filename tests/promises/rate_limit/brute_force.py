"""Every placement on a small grid, compared with what the models say in one step.

``main(cases)`` runs so many random cases of each kind and prints how many were unsound (must be 0)
and how many were missed. The tests run a seeded sample.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from random import Random

from harness.models.buckets import TokenBucket
from harness.models.fixed import FixedWindow
from harness.models.intervals import FOREVER, Interval, Taken, Use
from harness.models.windows import SlidingWindow

LAST = 16
"""The grid is 0 to LAST."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the model claims to have proved, and what the placements say."""

    claimed: bool
    true: bool
    shown: str

    @property
    def unsound(self) -> bool:
        """The model claims what a placement contradicts."""
        return self.claimed and not self.true

    @property
    def missed(self) -> bool:
        """The model does not claim what all placements say."""
        return self.true and not self.claimed


def intervals(rng: Random, most: int = 5, *, lost: float = 0.0) -> list[Interval]:
    """Up to ``most`` calls in a possible order; some are points, some are never answered."""
    spans = []
    widest = rng.choice((0, 1, 3, 6))
    for _ in range(rng.randint(1, most)):
        start = rng.randint(0, LAST - 4)
        spans.append((start, min(start + rng.randint(0, widest), LAST)))
    moments = sorted(
        (time, rng.random(), index, is_end)
        for index, (start, end) in enumerate(spans)
        for time, is_end in ((start, False), (end, True))
    )
    seqs: dict[tuple[int, bool], int] = {}
    for seq, (_, _, index, is_end) in enumerate(moments):
        seqs[index, is_end] = seq
    made = []
    for index, (start, end) in enumerate(spans):
        written, answered = sorted((seqs[index, False], seqs[index, True]))
        known = (start, end, written, answered)
        unknown = (start, FOREVER, written, FOREVER)
        made.append(Interval(*(unknown if rng.random() < lost else known), index))
    return made


def placements(calls: Sequence[Interval]) -> Iterator[tuple[int, ...]]:
    """All instants at which the calls can have taken effect."""
    return product(*(range(each.start, min(each.end, LAST + 1) + 1) for each in calls))


def window_holds(model: SlidingWindow, places: Sequence[int]) -> bool:
    """No half-open window of W - g holds more than N."""
    ordered, length = sorted(places), model.window_ns - model.slack_ns
    return all(
        later - earlier >= length
        for earlier, later in zip(ordered, ordered[model.count :], strict=False)
    )


def bucket_holds(model: TokenBucket, places: Sequence[int]) -> bool:
    """Every closed [x, y] holds at most B + q + (N/W)(y - x + g)."""
    ordered = sorted(places)
    size = model.size + model.tokens_a_step
    return all(
        j - i + 1
        <= size
        + Fraction((ordered[j] - ordered[i] + model.slack_ns) * model.count) / model.window_ns
        for i in range(len(ordered))
        for j in range(i, len(ordered))
    )


def fixed_holds(model: FixedWindow, places: Sequence[int]) -> bool:
    """Some borders, W - g or more apart, leave at most N between neighbours."""
    length = model.window_ns - model.slack_ns

    def explains(rest: Sequence[int], border: int) -> bool:
        """Whether the calls from ``border`` on can be explained by it and later borders."""
        if len(rest) <= model.count:
            return True
        return any(
            sum(place < following for place in rest) <= model.count
            and explains([place for place in rest if place >= following], following)
            for following in range(border + length, LAST + 3)
        )

    return explains(sorted(places), -2 * length - 2)


def must_admit(
    model: SlidingWindow | FixedWindow | TokenBucket, call: Interval, others: Sequence[Interval]
) -> bool:
    """The lower half's definition, for every instant of ``call`` and every placement of others."""
    rest = [each for each in others if each.call != call.call and not call.answered < each.written]
    return all(
        _leaves_room(model, at, [place for place in places if place <= at])
        for at in range(call.start, call.end + 1)
        for places in placements(rest)
    )


def _leaves_room(
    model: SlidingWindow | FixedWindow | TokenBucket, at: int, used: Sequence[int]
) -> bool:
    if isinstance(model, TokenBucket):
        return all(
            sum(place >= x for place in used) + 1
            <= model.size + _refill(model, at - x - model.slack_ns)
            for x in used
        )
    return sum(place >= at - model.memory_ns for place in used) < model.count


def _refill(model: TokenBucket, elapsed: int) -> Fraction:
    if model.step_ns is None:
        return Fraction(elapsed * model.count, model.window_ns)
    return Fraction(model.tokens_a_step * (elapsed // model.step_ns) if elapsed >= 0 else -1)


def sliding(rng: Random) -> SlidingWindow:
    """A small window."""
    window = rng.randint(2, 7)
    return SlidingWindow(rng.randint(1, 3), window, rng.choice((0, 1, window // 4)))


def fixed(rng: Random) -> FixedWindow:
    """A small fixed or approximate window."""
    window = rng.randint(2, 6)
    return FixedWindow(rng.randint(1, 2), window, rng.choice((0, 1)), rng.choice((1, 2)))


def bucket(rng: Random) -> TokenBucket:
    """A small bucket, a third of them refilled in steps; W/N is whole, as the grid is."""
    each, count = rng.randint(1, 4), rng.randint(1, 4)
    step = each * rng.randint(1, 2) if rng.random() < 0.33 else None
    return TokenBucket(rng.randint(1, 3), count, each * count, rng.choice((0, 1)), step)


def upper_of_window(rng: Random) -> Outcome:
    """More than N in a window, whatever the placement."""
    model, calls = sliding(rng), intervals(rng)
    true = not any(window_holds(model, places) for places in placements(calls))
    return Outcome(model.upper(Taken.of(calls)).excess() is not None, true, f"{model} {calls}")


def upper_of_bucket(rng: Random) -> Outcome:
    """More than the bucket can give, whatever the placement."""
    model, calls = bucket(rng), intervals(rng)
    true = not any(bucket_holds(model, places) for places in placements(calls))
    return Outcome(model.upper(Taken.of(calls)).excess() is not None, true, f"{model} {calls}")


def upper_of_fixed(rng: Random) -> Outcome:
    """No borders explain the calls, whatever the placement."""
    model, calls = fixed(rng), intervals(rng)
    true = not any(fixed_holds(model, places) for places in placements(calls))
    return Outcome(model.upper(Taken.of(calls)).excess() is not None, true, f"{model} {calls}")


def lower(rng: Random) -> Outcome:
    """The budget cannot have been used up, whatever the placement."""
    model = rng.choice((sliding, fixed, bucket))(rng)
    calls = intervals(rng, lost=0.1)
    call = rng.choice(calls)
    if call.end >= FOREVER:
        call = call._replace(end=call.start)
    counted = rng.random() < 0.7
    used = [each for each in calls if counted or each.call != call.call]
    claimed = model.lower(Use.of(used)).owes(call, counted=counted)
    return Outcome(claimed, must_admit(model, call, used), f"{model} {call} {used} {counted}")


def over(rng: Random) -> Outcome:
    """One admission more would be a break, whatever the placement."""
    made = rng.choice((sliding, fixed, bucket))(rng)
    calls = intervals(rng)
    call = rng.choice(calls)
    holds: Callable[[Sequence[int]], bool]
    if isinstance(made, SlidingWindow):
        holds = lambda places: window_holds(made, places)  # noqa: E731
    elif isinstance(made, FixedWindow):
        holds = lambda places: fixed_holds(made, places)  # noqa: E731
    else:
        holds = lambda places: bucket_holds(made, places)  # noqa: E731
    counted = rng.random() < 0.5
    taken = Taken.of(each for each in calls if counted or each.call != call.call)
    true = not any(holds(places) for places in placements(calls))
    claimed = made.upper(taken).over(call, counted=counted)
    return Outcome(claimed, true, f"{made} {call} {calls} {counted}")


KINDS: tuple[Callable[[Random], Outcome], ...] = (
    upper_of_window,
    upper_of_bucket,
    upper_of_fixed,
    lower,
    over,
)


def run(kind: Callable[[Random], Outcome], cases: int, seed: int) -> list[Outcome]:
    """So many cases of one kind from one stream."""
    rng = Random(seed)
    return [kind(rng) for _ in range(cases)]


def main(cases: int) -> int:
    """Run all kinds, print a line for each; returns how many cases were unsound."""
    unsound = 0
    for kind in KINDS:
        outcomes = run(kind, cases, seed=20_240_701)
        wrong = [each.shown for each in outcomes if each.unsound]
        unsound += len(wrong)
        true, missed = sum(each.true for each in outcomes), sum(each.missed for each in outcomes)
        print(f"{kind.__name__}: {cases} cases, {true} true, {missed} missed, {len(wrong)} unsound")
        for shown in wrong[:3]:
            print(f"  unsound: {shown}")
    return unsound


if __name__ == "__main__":
    sys.exit(1 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 6_000) else 0)
