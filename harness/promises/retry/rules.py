"""The exact rules of ``retry``: one violation each proves the promise broken.

"What `retry` means", sections 1, 2 and 4. Nothing here looks at plans; all of it at attempts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.promises.retry.attempts import Clock, Tries, replaced
from harness.promises.retry.demand import (
    PATIENCE_NS,
    advised_most_ns,
    advised_ns,
    cut_short,
    due_ns,
    fits,
    is_told,
    keyed,
    may_be_too_late,
    repeats,
)
from harness.promises.retry.parts import IDEMPOTENT
from harness.promises.retry.proof import finding, ms, outcomes
from harness.promises.retry.sharing import ALONE, Sharing
from harness.promises.retry.words import Retry
from harness.units import NS_PER_S, format_duration, number_of
from harness.verdict import Finding


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged.

    Attributes:
        tries: the calls and their attempts.
        clock: on a real one only counts and waits that were too short can be proved.
        keys_given: the calls bring the idempotency key themselves.
        shared_ns: when requests arrived of which is known only that they are of these calls.
        loose_ns: when requests arrived that may be attempts of any call.
        background: requests of the service's own, which are no attempts.
        sharing: what the contract's other promises say of the same calls.
    """

    promise: Retry
    tries: tuple[Tries, ...]
    clock: Clock = "frozen"
    keys_given: bool = False
    shared_ns: tuple[int, ...] = ()
    loose_ns: tuple[int, ...] = ()
    background: int = 0
    sharing: Sharing = ALONE

    def may_lack(self, tries: Tries) -> bool:
        """Whether attempts may never have arrived: refused by another promise, or not connected."""
        full, may = self.promise.most, bool(self.sharing.refusing) or tries.unseen
        return may and (full is None or len(tries.attempts) < full)

    def found(self, half: str, said: str, shown: Tries, **more: object) -> Finding:
        """A finding about one call."""
        return finding(self.promise, half, said, shown, clock=self.clock, **more)


def broken(case: Case) -> Iterator[Finding]:
    """All that is proved by single calls, and by keys that several share."""
    for tries in case.tries:
        for part in tries.apart:
            yield from _forbidden(case, part)
            yield from _too_many(case, part)
        yield from _gave_up(case, tries)  # too few in all are too few for each thing
        for part in tries.apart:
            yield from _advised(case, part)
            yield from _over_total(case, part)
            yield from _keys(case, part)
            yield from _gone_on(case, part)
    yield from _shared_keys(case)


def plain(promise: Retry, tries: Tries) -> Tries:
    """Without the requests that a client library may have replaced behind the service's back."""
    late_ns = promise.slack.late_ns
    gone = {one.number for one, two in pairwise(tries.attempts) if replaced(one, two, late_ns)}
    return replace(tries, attempts=tuple(a for a in tries.attempts if a.number not in gone))


def hidden(promise: Retry, tries: Tries) -> int:
    """How many requests a client library may have repeated behind the service's back."""
    return len(tries.attempts) - len(plain(promise, tries).attempts)


def _forbidden(case: Case, tries: Tries) -> Iterator[Finding]:
    """A request after one that must be the last."""
    promise = case.promise
    for k, (one, two) in enumerate(pairwise(tries.attempts), start=1):
        if replaced(one, two, promise.slack.late_ns) or repeats(promise, one) is not False:
            continue
        if may_be_too_late(promise, one):
            continue
        count = len(tries.attempts)
        if one.is_success:
            said = f"asks again after a success: attempt {k + 1} followed status {one.outcome}"
            yield case.found("success", said, tries, k=k)
        elif one.method not in promise.methods:
            said = f"retries {one.method}: {count} requests after {one.outcome}, though it must be sent once"
            yield case.found("matrix", said, tries, k=k)
        else:
            said = f"retries {one.outcome}: {count} {one.method} requests, though it must not be repeated"
            yield case.found("matrix", said, tries, k=k)
        return


def _too_many(case: Case, tries: Tries) -> Iterator[Finding]:
    most, count = case.promise.most, len(plain(case.promise, tries).attempts)
    if most is None or count <= most:
        return
    said = f"{count} attempts for one call, promised {most}"
    if count == most * most:
        said += f": {most} times {most}, so layers multiply"
    yield case.found("attempts", said, tries, count=count, most=most)


def _gave_up(case: Case, tries: Tries) -> Iterator[Finding]:
    """Fewer attempts than promised, for no reason that the words know."""
    promise, attempts = case.promise, tries.attempts
    least = promise.exactly or 2
    if not attempts or len(attempts) >= least or tries.left_at_ns is not None or promise.budget:
        return
    if case.sharing.refusing or tries.unseen:
        return  # attempts that were refused are made, and do not arrive
    if case.clock == "real" and tries.ended_ns is None:
        return  # a slow machine may still make the next one
    last = attempts[-1]
    if repeats(promise, last) is not True or (is_told(last) and _may_give_up(promise)):
        return
    due = due_ns(promise, tries)
    if (
        due is None
        or tries.seen_until_ns < due
        or not fits(promise, tries, case.sharing.attempt_ns)
    ):
        return
    if any(last.arrived_ns <= each <= due for each in case.loose_ns):
        return  # that may have been the next one
    if len(attempts) == 1:
        said = f"{last.method} is not repeated after {last.outcome}"
        half = "matrix"
    else:
        said = f"gave up after {len(attempts)} attempts of {least} ({outcomes(attempts)})"
        half = "attempts"
    if not promise.laws:
        said += f"; no other came within {format_duration(PATIENCE_NS)}"
    yield case.found(half, said, tries, count=len(attempts), least=least, until_ns=int(due))


def _may_give_up(promise: Retry) -> bool:
    return promise.gives_up or not promise.respects_retry_after


def _advised(case: Case, tries: Tries) -> Iterator[Finding]:
    """Retry-After ignored, cut short, or taken for much longer than it says."""
    promise = case.promise
    if not promise.respects_retry_after:
        return
    for k, one in enumerate(tries.attempts[:-1], start=1):
        if not is_told(one) or one.advice is None or repeats(promise, one) is not True:
            continue
        gap, wanted = tries.gap(k, case.clock), advised_ns(one)
        is_date = one.advice.delta_ns is None
        least = min(wanted, promise.retry_after_max or wanted) - (NS_PER_S if is_date else 0)
        advice = f"a date in {ms(wanted)}" if is_date else ms(wanted)
        told = f"Retry-After of {advice} after {one.outcome}"
        proof = {"k": k, "advised_ns": wanted, "least_ns": least, "is_date": is_date}
        too_early = gap.most_ns < least - promise.slack.early_ns
        if too_early and not cut_short(promise, tries, k):
            ignored = ms(least - gap.most_ns)
            said = f"{told}: attempt {k + 1} came {ignored} too early, after {ms(gap.most_ns)}"
            yield case.found("retry_after", said, tries, **proof)
        most = advised_most_ns(promise, wanted)
        if (
            case.clock == "frozen"
            and most is not None
            and not case.may_lack(tries)
            and gap.least_ns > most + promise.slack.late_ns
        ):
            late = f"after {ms(gap.least_ns)}, where at most {ms(most)} are allowed"
            said = f"{told}: attempt {k + 1} came {late}"
            yield case.found("retry_after", said, tries, **proof)


def _over_total(case: Case, tries: Tries) -> Iterator[Finding]:
    total = case.promise.total
    if total is None or case.clock == "real" or any(each.ran for each in tries.attempts):
        return
    for k, attempt in enumerate(tries.attempts, start=1):
        over = attempt.arrived_ns - tries.attempts[0].arrived_ns - total
        if over > case.promise.slack.late_ns:
            said = (
                f"attempt {k} began {ms(over)} after the total of {format_duration(total)} was over"
            )
            yield case.found("total", said, tries, k=k, over_ns=over, total_ns=total)
            return


def _keys(case: Case, tries: Tries) -> Iterator[Finding]:
    """One call, one key."""
    name, attempts = case.promise.idempotency_key, tries.attempts
    if name is None or len(attempts) < 2:
        return
    keys = [attempt.key for attempt in attempts]
    if len(set(keys)) > 1:
        said = f"new key for each attempt: {name} was {_listed(keys)}"
        yield case.found("key", said, tries, keys=keys)
    elif keys[0] is None and attempts[0].method not in IDEMPOTENT:
        said = f"{attempts[0].method} was repeated without {name}"
        if attempts[0].method in case.promise.methods:
            yield case.found("key", said, tries, keys=keys)


def _listed(keys: Sequence[str | None]) -> str:
    return ", ".join("missing" if key is None else repr(key) for key in keys[:3])


def _shared_keys(case: Case) -> Iterator[Finding]:
    """Two calls, two keys; a caller's own key may be passed on."""
    if case.promise.idempotency_key is None or case.keys_given:
        return
    seen: dict[str, Tries] = {}
    for tries in case.tries:
        for key in {a.key for a in tries.attempts if keyed(case.promise, a) and a.key is not None}:
            first = seen.setdefault(key, tries)
            if first.call != tries.call:
                said = (
                    f"two calls share one key: {case.promise.idempotency_key} was {key!r} for both"
                )
                found = case.found("key", said, tries)
                yield replace(found, calls=(first.call, tries.call))
                return


def _gone_on(case: Case, tries: Tries) -> Iterator[Finding]:
    """The attempt in flight and one more may come after the client left."""
    if case.promise.client_gone != "stops" or tries.left_at_ns is None:
        return
    after = [a for a in tries.attempts if a.at_ns > tries.left_at_ns]
    if len(after) > 1:
        said = f"goes on for a client that left: {len(after)} attempts came after it had gone"
        yield case.found("client_gone", said, tries, after=len(after))


def over_budget(case: Case) -> Finding | None:
    """More requests than the budget has for so many calls while the dependency fails."""
    budget, tries = case.promise.budget, case.tries
    times = sorted([a.arrived_ns for t in tries for a in t.attempts] + list(case.shared_ns))
    if budget is None or not times:
        return None
    calls = max(len({t.call for t in tries}), sum(len(t.apart) for t in tries if t.attempts))
    spans = (times[-1] - times[0]) // budget.over + 1
    # As much of a refilled reserve as time has passed for, and one call's attempts in hand.
    allowed = budget.ratio * calls + budget.reserve * spans + (case.promise.most or 1)
    if len(times) <= allowed:
        return None
    said = (
        f"{len(times) / calls:.2f} requests for each call: {len(times)} for {number_of(calls, 'call')} in "
        f"an outage, where at most {int(allowed)} are allowed"
    )
    found = case.found("budget", said, tries[0], requests=len(times), allowed=int(allowed))
    return replace(found, calls=tuple(sorted({t.call for t in tries})))
