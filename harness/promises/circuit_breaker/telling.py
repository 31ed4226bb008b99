"""From the point that no reading explains to the finding that is told: which half, why, and what to draw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.models.breaker.points import Group, What
from harness.models.breaker.readings import told, unbound
from harness.models.breaker.rules import Consecutive, Counted, Rules, Timed
from harness.models.breaker.search import Decision, Fatal
from harness.models.breaker.state import Mode, State, Tag
from harness.models.breaker.windows import Results, WeakWindow
from harness.promises.circuit_breaker import sentences
from harness.promises.circuit_breaker.numbers import Numbers
from harness.promises.circuit_breaker.reading import call_of
from harness.units import about_seconds, number_of
from harness.verdict import Finding

_WORDS = {Mode.CLOSED: "closed", Mode.OPEN: "open", Mode.HALF_OPEN: "half-open"}


@dataclass(frozen=True, slots=True)
class Tale:
    """A contradiction and all that is known around it.

    Attributes:
        n: the numbers of the promise.
        decision: what the search found.
        fatal: its contradiction.
        origin_ns: instants are told from here on.
        reading: how attempts were read.
    """

    n: Numbers
    decision: Decision
    fatal: Fatal
    origin_ns: int
    reading: str

    @property
    def rules(self) -> Rules:
        """Of the promise."""
        return self.n.rules

    @property
    def at_ns(self) -> int:
        """When it happened, from the origin on."""
        return self.fatal.time[0] - self.origin_ns

    def finding(self, caller: str) -> Finding:
        """The finding: which word, the sentence, the calls, and the numbers of the proof."""
        half, said = self._said()
        return Finding(half=half, said=said, key=caller, calls=self.calls(), proof=self.proof())

    def calls(self) -> tuple[int, ...]:
        """All calls up to and including the fatal one, each once."""
        groups = [*self.fatal.before, self.fatal.group]
        return tuple(sorted({call_of(point) for group in groups for point in group.calls}))

    # -- what is said -----------------------------------------------------------------------------

    def _said(self) -> tuple[str, str]:
        state = self._likeliest()
        match self.fatal.group.what:
            case What.REJECTED:
                return self._refused(state)
            case What.ADMITTED:
                return self._let_through(state)
            case What.STUCK:
                return "waits", sentences.waits(self.at_ns)
        return "other", sentences.impossible("ended", self.at_ns, self._modes())

    def _likeliest(self) -> State:
        """The state that most of what is said is about: the one that nearly explains the point."""
        order = (
            (Mode.HALF_OPEN, Mode.OPEN, Mode.CLOSED)
            if self.fatal.group.what is What.ADMITTED
            else (Mode.OPEN, Mode.HALF_OPEN, Mode.CLOSED)
        )
        return min(self.fatal.states, key=lambda state: order.index(state.mode))

    def _refused(self, state: State) -> tuple[str, str]:
        if state.mode is Mode.OPEN:
            opened_ns = max(each.opened[1] for each in self.fatal.states) - self.origin_ns
            recovery_ns = self.rules.recovery.nominal_ns(state.level)
            seen = any(group.what is What.REJECTED for group in self._since_mode())
            half = "wedged" if not seen else "late"
            return half, sentences.not_half_open(self.at_ns, opened_ns, recovery_ns)
        if state.mode is Mode.HALF_OPEN:
            return "wedged", sentences.wedged(self.at_ns)
        return self._refused_closed(state)

    def _refused_closed(self, state: State) -> tuple[str, str]:
        since = list(self._since_mode())
        ends = [group for group in since if group.what in {What.ENDED, What.UNSEEN}]
        failed = _count(ends, "failed")
        uncounted = _count(ends, "uncounted")
        was_open = any(Mode.OPEN in moment.modes for moment in self.decision.moments)
        if was_open and not failed:
            trials = self.rules.trials
            needed = None if trials is None else trials.successes
            good = needed if needed is not None else _count(self.fatal.before, "ok")
            return "closing", sentences.not_closed(good, self.at_ns, needed)
        if failed < self.n.fewest <= failed + uncounted:
            return "uncounted", sentences.uncounted_counted(failed, uncounted, self.at_ns)
        live = max(_live(state), default=failed)
        if live < failed and any(isinstance(trip, Timed) for trip in self.rules.trips):
            return "expiry", sentences.old_counted(live, failed - live, self.at_ns)
        if not failed:
            return "threshold", sentences.refused_from_fresh(self.at_ns)
        for trip, window in zip(self.rules.trips, state.windows, strict=True):
            if isinstance(trip, Consecutive) and isinstance(window, int) and window < failed:
                said = sentences.opened_early(window, trip.failures, self.at_ns, in_a_row=True)
                return "threshold", said
        return "threshold", self._opened_early(failed, _count(ends, "ok"))

    def _opened_early(self, failed: int, good: int) -> str:
        """Which number was not reached: of failures, or their share among the results."""
        results = failed + good
        rates = [
            trip.rate
            for trip in self.rules.trips
            if isinstance(trip, Timed | Counted) and trip.rate and trip.minimum <= results
        ]
        if rates and failed < min(rates) * results:
            rate = f"{float(min(rates)):g}"
            return sentences.opened_below(failed, results, rate, self.at_ns)
        if failed < self.n.fill:
            return sentences.opened_early(failed, self.n.fill, self.at_ns)
        return sentences.opened_unruled(failed, good, self.at_ns)

    def _let_through(self, state: State) -> tuple[str, str]:
        if state.mode is Mode.HALF_OPEN:
            return self._beyond_permits(state)
        opened_ns = state.opened[0] - self.origin_ns
        since = [group for group in self._since_mode() if group.time[0] >= state.opened[0]]
        refused = any(group.what is What.REJECTED for group in since)
        recovery_ns = self.rules.recovery.nominal_ns(state.level)
        age_ns = self.at_ns - opened_ns
        late = [group for group in since if group.what is What.ENDED and group.outcome == "ok"]
        if late:
            return "late_success", sentences.late_success(self.at_ns, opened_ns)
        if not refused and age_ns == 0:
            if self._after_trial():
                return self._not_reopened(opened_ns)
            failed = _count(self._since_mode(closed=True), "failed")
            return "threshold", sentences.not_opened(failed, self.at_ns, opened_ns)
        if self.rules.recovery.after_ns is not None and 2 * age_ns > recovery_ns:
            return "early", sentences.half_open_early(self.at_ns, opened_ns, recovery_ns)
        return "open", sentences.through_open(self.at_ns, opened_ns)

    def _not_reopened(self, opened_ns: int) -> tuple[str, str]:
        """Either the failing trial did nothing, or the good ones before it had closed it too soon."""
        trials = self.rules.trials
        needed = None if trials is None or trials.rate is not None else trials.successes
        good = _count(self._tried(), "ok")
        if needed is not None and 0 < good < needed:
            return "closing", sentences.closed_too_soon(good, needed, opened_ns, self.at_ns)
        return "reopening", sentences.not_reopened(self.at_ns, opened_ns)

    def _tried(self) -> list[Group]:
        """The points of the half-open state before the opening that the fatal point meets."""
        moments = self.decision.moments
        place = len(moments) - 1
        while place > 0 and Mode.HALF_OPEN not in moments[place].modes:
            place -= 1
        until = moments[place].order
        while place > 0 and Mode.HALF_OPEN in moments[place - 1].modes:
            place -= 1
        since = moments[place - 1].order if place > 0 else -1
        return [group for group in self.fatal.before if since < group.order[1] <= until]

    def _beyond_permits(self, state: State) -> tuple[str, str]:
        trials = self.rules.trials
        permits = (trials and trials.permits) or 1
        count = state.in_flight(Tag.TRIAL) + 1
        good = max(each.good for each in self.fatal.states)
        if good and trials is not None and trials.successes is not None and trials.rate is None:
            return "closing", sentences.closed_early(good, trials.successes, count, self.at_ns)
        return "permits", sentences.too_many_trials(count, permits, self.at_ns)

    def _after_trial(self) -> bool:
        """Whether what opened it last was a trial."""
        before = [moment.modes for moment in self.decision.moments if Mode.CLOSED in moment.modes]
        modes = [moment.modes for moment in self.decision.moments]
        for earlier in reversed(modes[:-1]):
            if Mode.HALF_OPEN in earlier:
                return True
            if Mode.CLOSED in earlier:
                return False
        return not before

    def _since_mode(self, *, closed: bool = False) -> Iterator[Group]:
        """The points since the breaker was last surely something else than it is now."""
        moments = self.decision.moments
        modes = self.fatal.states[0].mode
        wanted = Mode.CLOSED if closed else modes
        place = len(moments)
        if closed:
            while place and Mode.CLOSED not in moments[place - 1].modes:
                place -= 1
        while place and wanted in moments[place - 1].modes:
            place -= 1
        since = moments[place - 1].order if place else -1
        return (group for group in self.fatal.before if group.order[1] > since)

    def _modes(self) -> list[str]:
        return sorted({_WORDS[state.mode] for state in self.fatal.states})

    # -- what is drawn -------------------------------------------------------------------------------

    def proof(self) -> Mapping[str, Any]:
        """Instants in ns of the target's clock, from ``origin_ns`` on; lanes, points and readings."""
        return {
            "origin_ns": self.origin_ns,
            "at_ns": self.at_ns,
            "what": str(self.fatal.group.what),
            "attempts": self.reading,
            "lanes": list(self._lanes()),
            "points": list(self._points()),
            "readings": list(self._readings()),
        }

    def _lanes(self) -> Iterator[Mapping[str, Any]]:
        """Stretches of time in which it may have been the same: one state, or several.

        ``placed``: how many of the points had been when it ended.
        """
        begun, words = 0, ["closed"]
        opened: tuple[int, int] | None = None
        for moment in self.decision.moments:
            now = sorted(_WORDS[mode] for mode in moment.modes)
            at_ns = moment.time[0] - self.origin_ns
            if now != words:
                placed = sum(group.order[1] <= moment.order for group in self.fatal.before)
                yield {**self._lane(begun, at_ns, words, opened), "placed": placed}
                begun, words = at_ns, now
            opened = moment.opened
        yield self._lane(begun, self.at_ns, words, opened)

    def _lane(
        self, from_ns: int, to_ns: int, words: list[str], opened: tuple[int, int] | None
    ) -> Mapping[str, Any]:
        lane: dict[str, Any] = {"from_ns": from_ns, "to_ns": to_ns, "states": words}
        if opened is not None and "open" in words:
            lane["opened_ns"] = [each - self.origin_ns for each in opened]
        return lane

    def _points(self) -> Iterator[Mapping[str, Any]]:
        for group in (*self.fatal.before, self.fatal.group):
            yield {
                "what": str(group.what),
                "outcome": group.outcome,
                "count": len(group.calls),
                "from_ns": group.time[0] - self.origin_ns,
                "to_ns": group.time[1] - self.origin_ns,
                "calls": [call_of(point) for point in group.calls],
            }

    def _readings(self) -> Iterator[Mapping[str, Any]]:
        """What it may have been before the fatal point, and why each of these forbids it."""
        initial = unbound(self.rules)
        seen: set[str] = set()
        for state in self.fatal.states:
            reading: dict[str, Any] = {
                "state": _WORDS[state.mode],
                "why": self._why(state),
                "seen": told(state.masks, initial),
            }
            if state.mode is Mode.OPEN:
                reading["opened_ns"] = [each - self.origin_ns for each in state.opened]
            text = repr(reading)
            if text not in seen:
                seen.add(text)
                yield reading

    def _why(self, state: State) -> str:
        recovery = self.rules.recovery
        opened = about_seconds(state.opened[0] - self.origin_ns)
        if self.fatal.group.what is What.ADMITTED:
            if state.mode is Mode.OPEN:
                early = about_seconds(
                    state.opened[0] - self.origin_ns + self.n.early_ns(state.level)
                )
                return (
                    f"opened at {opened}, T {about_seconds(recovery.nominal_ns(state.level))}: no "
                    f"admission before {early}"
                )
            trials = number_of(state.in_flight(Tag.TRIAL), "trial")
            return f"{trials} in flight, and no more permitted"
        if self.fatal.group.what is What.STUCK:
            return "whoever cannot pass is refused at once"
        if state.mode is Mode.OPEN:
            latest = about_seconds(
                state.opened[1] - self.origin_ns + recovery.longest_ns(state.level)
            )
            return f"opened at {opened}: no refusal after {latest}"
        if state.mode is Mode.HALF_OPEN:
            return "a trial is due, and none is in flight"
        return "closed: every call reaches the dependency"


def _count(groups: Iterator[Group] | list[Group] | tuple[Group, ...], outcome: str) -> int:
    return sum(len(group.calls) for group in groups if group.outcome == outcome)


def _live(state: State) -> Iterator[int]:
    """Failures that may still count, for each trip."""
    for window in state.windows:
        match window:
            case int():
                yield window
            case WeakWindow():
                yield window.failed
            case Results():
                yield sum(entry.failed for entry in window.entries)
