"""Token buckets: B at once and N more in each W. Both halves, over intervals, in integers.

Inequalities are multiplied by W, so that nothing is ever divided.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, islice
from typing import Final

from harness.models.intervals import Excess, Interval, Taken, Unused, Use
from harness.models.windows import instants

_SPOTS_SHOWN: Final = 16
"""So many instants of a refusal are tried to show it at its fullest."""


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """A bucket of ``size`` that is refilled at ``count`` in each ``window_ns``.

    Attributes:
        size: B, the whole bucket, at least 1.
        count: N.
        window_ns: W.
        slack_ns: g.
        step_ns: tokens come only in steps this long; None: evenly.
    """

    size: int
    count: int
    window_ns: int
    slack_ns: int
    step_ns: int | None = None

    @property
    def tokens_a_step(self) -> int:
        """q, what each step brings; 0 where tokens come evenly."""
        return 0 if self.step_ns is None else self.count * self.step_ns // self.window_ns

    @property
    def memory_ns(self) -> int:
        """After so long without a call, the bucket is full again."""
        if self.step_ns is not None:
            return (-(-self.size // self.tokens_a_step) + 1) * self.step_ns + self.slack_ns
        return -(-self.size * self.window_ns // self.count) + self.slack_ns

    def times(self, factor: int) -> TokenBucket:
        """The sum of ``factor`` such budgets."""
        return replace(self, size=self.size * factor, count=self.count * factor)

    def upper(self, taken: Taken) -> BucketRoom:
        """Prepare to judge what was admitted."""
        return BucketRoom(self, taken)

    def lower(self, use: Use) -> BucketDebt:
        """Prepare to judge what was refused."""
        return BucketDebt(self, use)


@dataclass(frozen=True)
class BucketRoom:
    """The upper half: every closed ``[x, y]`` holds at most B + q + (N/W)(y - x + g) of ``taken``."""

    bucket: TokenBucket
    taken: Taken

    def excess(self) -> Excess | None:
        """The earliest calls that no placement explains, or None.

        The ranks i to j of starts and ends say that at least j-i+1 calls lie wholly between the
        i-th start and the j-th end; for each j the i that leaves least room is remembered. This is
        the least placement of a bucket ("TAT") with its recursion written out.
        """
        bucket, starts = self.bucket, self.taken.starts
        count, window = bucket.count, bucket.window_ns
        room = (bucket.size + bucket.tokens_a_step) * window + bucket.slack_ns * count
        best, best_i = 0, -1
        for j, end in enumerate(self.taken.ends):
            here = starts[j] * count - j * window
            if best_i < 0 or here >= best:
                best, best_i = here, j
            if best > room - (j + 1) * window + end * count:
                return self._least(starts[best_i], end, j - best_i + 1)
        return None

    def _least(self, start: int, end: int, number: int) -> Excess:
        members = self.taken.newest(start, end, number)
        while len(members) > 1 and len(members) - 1 > self._bound(members[1:]):
            members = members[1:]
        return Excess.by(members, self._bound(members), 0)

    def _bound(self, members: tuple[Interval, ...]) -> int:
        bucket = self.bucket
        span = max(each.end for each in members) - min(each.start for each in members)
        refilled = (span + bucket.slack_ns) * bucket.count // bucket.window_ns
        return bucket.size + bucket.tokens_a_step + refilled

    @cached_property
    def _left(self) -> tuple[int, ...]:
        """By rank of a start: the greatest xN - #(starts < x)W up to there."""
        count, window = self.bucket.count, self.bucket.window_ns
        terms = (start * count - rank * window for rank, start in enumerate(self.taken.starts))
        return tuple(accumulate(terms, max))

    @cached_property
    def _right(self) -> tuple[int, ...]:
        """By rank of an end: the greatest #(ends <= y)W - yN from there on."""
        count, window, ends = self.bucket.count, self.bucket.window_ns, self.taken.ends
        terms = ((rank + 1) * window - ends[rank] * count for rank in reversed(range(len(ends))))
        return tuple(accumulate(terms, max))[::-1]

    def over(self, call: Interval, *, counted: bool) -> bool:
        """Whether the admission of ``call`` is a break; ``counted``: it is one of ``taken``."""
        return self._over(call, self.bucket.size + self.bucket.tokens_a_step, counted=counted)

    def drained(self, call: Interval) -> bool:
        """Whether ``call``, not admitted, met a bucket that only a step at that moment could fill.

        Where tokens come in steps, B + q may be had at the instant of one, so nothing less is a
        break; but a refusal of the B+1st at once shows that there is a bucket of B.
        """
        return self._over(call, self.bucket.size, counted=False)

    def _over(self, call: Interval, size: int, *, counted: bool) -> bool:
        bucket = self.bucket
        return self._held(call) + (not counted) * bucket.window_ns > (
            size * bucket.window_ns + bucket.slack_ns * bucket.count
        )

    def _held(self, call: Interval) -> int:
        """The greatest #[x, y]W - (y-x)N over all [x, y] that hold ``call`` whole."""
        count, window = self.bucket.count, self.bucket.window_ns
        starts, ends = self.taken.starts, self.taken.ends
        left = call.start * count - bisect_left(starts, call.start) * window
        before = bisect_right(starts, call.start)
        if before:
            left = max(left, self._left[before - 1])
        right = bisect_right(ends, call.end) * window - call.end * count
        after = bisect_left(ends, call.end)
        if after < len(ends):
            right = max(right, self._right[after])
        return left + right

    def filled_by(self, call: Interval) -> bool:
        """Whether B tokens were used when ``call``, one of ``taken``, was admitted."""
        return self._held(call) > (self.bucket.size - 1) * self.bucket.window_ns


@dataclass(frozen=True)
class BucketDebt:
    """The lower half: a call is owed if for all x up to it #P[x, e] + 1 <= B + (N/W)(e - x - g)."""

    bucket: TokenBucket
    use: Use

    @cached_property
    def _left(self) -> tuple[int, ...]:
        """By rank of an end: the greatest xN - #(ends < x)W up to there."""
        count, window = self.bucket.count, self.bucket.window_ns
        ends, terms, first = self.use.ends, [], 0
        for rank, end in enumerate(ends):
            if end != ends[first]:
                first = rank
            terms.append(end * count - first * window)
        return tuple(accumulate(terms, max))

    def owes(self, call: Interval, *, counted: bool) -> bool:
        """Whether ``call`` must be admitted in every placement; ``counted``: it is one of ``use``.

        Each call is put at its end or at the instant that is judged, whichever is earlier: that is
        its latest spot, and makes every count greatest at once.
        """
        use = self.use
        others = bisect_left(use.writtens, call.answered) - counted
        most = min(bisect_right(use.starts, call.end) - counted, others)
        if self._room(call.start, most, self.bucket.size - self.bucket.tokens_a_step):
            return True
        return all(
            self._has_token(at, min(bisect_right(use.starts, at) - counted, others))
            for at in instants(use, call)
        )

    def _room(self, at: int, number: int, size: int) -> bool:
        """Whether ``number`` calls, all placed up to ``at``, leave a token of a steady refill."""
        bucket, before = self.bucket, bisect_left(self.use.ends, at)
        count, window = bucket.count, bucket.window_ns
        at_once = number - before
        if at_once > 0 and (at_once + 1) * window > size * window - bucket.slack_ns * count:
            return False
        if not before:
            return True
        room = (size - 1) * window + (at - bucket.slack_ns) * count
        return number * window + self._left[before - 1] <= room

    def _has_token(self, at: int, number: int) -> bool:
        if not self._room(at, number, self.bucket.size):
            return False
        return self.bucket.step_ns is None or self._has_stepped(at, number)

    def _has_stepped(self, at: int, number: int) -> bool:
        """The same where only whole steps refill: at most q less than a steady refill would bring.

        Walks back until nothing older can matter.
        """
        bucket, ends = self.bucket, self.use.ends
        rank = bisect_left(ends, at)
        if number > rank and number - rank + 1 > bucket.size + self._stepped(-bucket.slack_ns):
            return False
        refill = (at - bucket.slack_ns) * bucket.count
        steady = (bucket.size - bucket.tokens_a_step - 1) * bucket.window_ns + refill
        while rank:
            if number * bucket.window_ns + self._left[rank - 1] <= steady:
                return True
            rank = bisect_left(ends, ends[rank - 1])
            refilled = self._stepped(at - ends[rank] - bucket.slack_ns)
            if number - rank + 1 > bucket.size + refilled:
                return False
        return True

    def _stepped(self, elapsed_ns: int) -> int:
        """Tokens of whole steps; within the slack the last token at one instant is not owed."""
        if elapsed_ns < 0:
            return -1
        return self.bucket.tokens_a_step * (elapsed_ns // (self.bucket.step_ns or 1))

    def unused(self, call: Interval) -> Unused:
        """The emptiest that the bucket can have been when ``call`` took effect."""
        return max(
            (self._unused_at(call, at) for at in islice(instants(self.use, call), _SPOTS_SHOWN)),
            key=lambda found: found.used,
        )

    def _unused_at(self, call: Interval, at: int) -> Unused:
        possible = sorted(
            (
                (min(each.end, at), each.call)
                for each in self.use.intervals
                if each.start <= at and each.call != call.call and not each.is_after(call)
            ),
            reverse=True,
        )
        worst = Unused(at, at - self.bucket.memory_ns, 0, ())
        for number, (spot, _) in enumerate(possible, start=1):
            used = number - self._refilled(at - spot - self.bucket.slack_ns)
            if used > worst.used:
                calls = tuple(sorted(index for _, index in possible[:number]))
                worst = Unused(at, spot, used, calls)
        return worst

    def _refilled(self, elapsed_ns: int) -> int:
        """Whole tokens that certainly came back."""
        if elapsed_ns < 0:
            return 0
        if self.bucket.step_ns is not None:
            return self._stepped(elapsed_ns)
        return elapsed_ns * self.bucket.count // self.bucket.window_ns
