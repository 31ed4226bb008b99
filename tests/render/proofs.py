"""Counterexamples of the kinds that a dependency's side proves, made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.units import NS_PER_MS, NS_PER_S
from tests.render.records import ORIGIN_NS, call, counterexample, folder, promise, run

REAL_NS = 7_000_000_000_000
"""The machine's clock when a playing begins."""
EVIL = "</script><script>alert(1)</script>\x1b[31m\u202e\"'<img src=x onerror=y>|`*_[a](b)"


def made(
    index: int, sent_ms: int, step: int, *, ended: tuple[int, int] | None, **values: Any
) -> Any:
    """A call with its token, sent in a step of the machine's clock; ``ended``: ms and step."""
    ended_ms, ended_step = (None, None) if ended is None else ended
    known: dict[str, Any] = {
        "token": f"sp-00c0ffee-{index}",
        "written_ns": REAL_NS + step * NS_PER_MS,
        "ended_ns": None if ended_step is None else REAL_NS + ended_step * NS_PER_MS,
        "ended_target_ns": None if ended_ms is None else ORIGIN_NS + ended_ms * NS_PER_MS,
    }
    return call(index, sent_ms, **(known | values))


def arrival(
    number: int, of: int, at: tuple[int, int], ended: tuple[int, int] | None, **values: Any
) -> dict[str, Any]:
    """A request of call ``of``; ``at`` and ``ended``: ms of the target's clock, step of the machine's."""
    return {
        "event": "Arrival",
        "dependency": "search",
        "number": number,
        "token": f"sp-00c0ffee-{of}",
        "target_ns": ORIGIN_NS + at[0] * NS_PER_MS,
        "at_ns": REAL_NS + at[1] * NS_PER_MS,
        "ended_target_ns": None if ended is None else ORIGIN_NS + ended[0] * NS_PER_MS,
        "ended_ns": None if ended is None else REAL_NS + ended[1] * NS_PER_MS,
        "state": "answered" if ended else "held",
        "status": 503 if ended else None,
        **values,
    }


def rested(step: int, target_ms: int) -> dict[str, Any]:
    """Everybody sleeps."""
    at = {"at_ns": REAL_NS + step * NS_PER_MS, "target_ns": ORIGIN_NS + target_ms * NS_PER_MS}
    return {"event": "Rested", **at}


def moved(step: int, from_ms: int, to_ms: int) -> dict[str, Any]:
    """The clock goes on."""
    return {
        "event": "ClockMoved",
        "at_ns": REAL_NS + step * NS_PER_MS,
        "from_target_ns": ORIGIN_NS + from_ms * NS_PER_MS,
        "to_target_ns": ORIGIN_NS + to_ms * NS_PER_MS,
    }


def of_kind(
    kind: str, calls: Sequence[Any], proof: dict[str, Any], **values: Any
) -> dict[str, Any]:
    """A counterexample of a kind; every call is of the proof unless ``witness`` says else."""
    witness = values.pop("witness", [one["index"] for one in calls])
    known = {"promise": {"kind": kind}, "said": f"what {kind} does wrong", "proof": proof}
    return counterexample(calls, witness, **(known | values))


def point(what: str, at_ms: int, *calls: int, outcome: str | None = None) -> dict[str, Any]:
    """What a breaker lived through."""
    at_ns = at_ms * NS_PER_MS
    return {
        "what": what,
        "outcome": outcome,
        "count": len(calls),
        "from_ns": at_ns,
        "to_ns": at_ns,
        "calls": list(calls),
    }


def failing(count: int, at_ms: int, first: int = 0) -> list[dict[str, Any]]:
    """So many calls, one after another, each let through and failed."""
    points = []
    for number in range(first, first + count):
        points += [
            point("admitted", at_ms, number),
            point("ended", at_ms, number, outcome="failed"),
        ]
    return points


def lane(from_ms: int, to_ms: int, placed: int | None, *states: str) -> dict[str, Any]:
    """What a breaker may have been."""
    return {
        "from_ns": from_ms * NS_PER_MS,
        "to_ns": to_ms * NS_PER_MS,
        "states": list(states),
        "placed": placed,
    }


def breaker(text: str = "", **values: Any) -> dict[str, Any]:
    """Five failures open it; a trial is held at 61 s, and a second one is let through."""
    points = [
        *failing(5, 0),
        point("rejected", 0, 5),
        point("admitted", 61_000, 6),
        point("admitted", 61_000, 7),
    ]
    proof = {
        "origin_ns": ORIGIN_NS,
        "at_ns": 61_000 * NS_PER_MS,
        "what": "admitted",
        "lanes": [
            lane(0, 0, 10, "closed"),
            lane(0, 61_000, 12, "open"),
            lane(61_000, 61_000, None, "half-open"),
        ],
        "points": points,
        "readings": [
            {"state": "half-open", "why": f"one trial in flight {text}", "seen": {"clock": text}}
        ],
    }
    calls = [made(n, 0, 10 * n, ended=(0, 10 * n + 5), status=502) for n in range(5)]
    calls += [made(5, 0, 50, ended=(0, 55), reading="refused", status=503)]
    calls += [made(n, 61_000, 70 + n, ended=None) for n in (6, 7)]
    arrivals = [arrival(n + 1, n, (0, 10 * n + 1), (0, 10 * n + 2)) for n in range(5)]
    arrivals += [arrival(n, n, (61_000, 80 + n), None) for n in (6, 7)]
    events = [rested(10 * n + 8, 0) for n in range(6)]
    events += [moved(60, 0, 61_000), rested(65, 61_000), rested(100, 61_000)]
    return of_kind("circuit_breaker", calls, proof, arrivals=arrivals, events=events, **values)


def attempt(k: int, at_ms: float, next_ms: float | None, **values: Any) -> dict[str, Any]:
    """An attempt that fails at once, and the wait that follows, against a band of its nominal length."""
    at_ns = ORIGIN_NS + int(at_ms * NS_PER_MS)
    row = {"k": k, "arrived_ns": at_ns, "ended_ns": at_ns, "outcome": 503, "method": "GET"}
    if next_ms is not None:
        wait_ns, nominal_ns = int((next_ms - at_ms) * NS_PER_MS), 100 * 2 ** (k - 1) * NS_PER_MS
        band = {"reading": "none", "lo_ns": nominal_ns - NS_PER_MS, "hi_ns": nominal_ns + NS_PER_MS}
        row |= {"next_ns": at_ns + wait_ns, "wait_ns": wait_ns, "wait_least_ns": wait_ns}
        row["bands"] = [band]
    return row | values


def retry(times_ms: Sequence[float] = (0, 100, 200, 300), **values: Any) -> dict[str, Any]:
    """Waits that are all the same, where they should double."""
    later = [*times_ms[1:], None]
    rows = [
        attempt(k, at, after)
        for k, (at, after) in enumerate(zip(times_ms, later, strict=True), start=1)
    ]
    proof = {"origin_ns": ORIGIN_NS, "attempts": rows, "k": 2, **values.pop("proof", {})}
    end_ms = int(times_ms[-1])
    arrivals = [
        arrival(k, 0, (int(at), 20 * k), (int(at), 20 * k + 1))
        for k, at in enumerate(times_ms, start=1)
    ]
    steps = [20 * k + 10 for k in range(1, len(times_ms))]
    events = [
        moved(step, int(at), int(after))
        for step, at, after in zip(steps, times_ms, times_ms[1:], strict=False)
    ]
    calls = [made(0, 0, 1, ended=(end_ms, 20 * len(times_ms) + 5), reading="other", status=502)]
    return of_kind("retry", calls, proof, arrivals=arrivals, events=events, **values)


def law(**values: Any) -> dict[str, Any]:
    """Places in the middle of the band, where they should fill it."""
    places = [0.4 + 0.2 * n / 47 for n in range(48)]
    more = {"k": None, "test": "bell", "n": 48, "p": 1e-12, "level": 1e-7, "places": places}
    more |= {"looked_at": 48, "best": "equal"}
    return retry(proof=more, **values)


def visit(index: int, held: tuple[int, int | None] | None, **values: Any) -> dict[str, Any]:
    """A call in the proof of a limit at once; instants in steps since the plan began."""
    return {
        "call": index,
        "key": "all",
        "proves": False,
        "round": "full",
        "sent_ns": 10 * NS_PER_MS,
        "held": []
        if held is None
        else [[held[0] * NS_PER_MS, None if held[1] is None else held[1] * NS_PER_MS]],
        "ended_ns": None,
        "end": None,
        "way": "",
        **values,
    }


def slots(limit: int = 4, inside: int = 5, waiting: int = 2, **values: Any) -> dict[str, Any]:
    """So many are inside, so many wait and one is refused."""
    lanes = [visit(n, (11 + n, 90), proves=True) for n in range(inside)]
    lanes += [visit(inside + n, None) for n in range(waiting)]
    refused = {"ended_ns": 25 * NS_PER_MS, "end": "refused", "way": "refusal"}
    lanes.append(visit(inside + waiting, None, **refused))
    proof = {
        "limit": limit,
        "queue": 2,
        "count": inside,
        "key": "all",
        "parts_ns": (11 + inside) * NS_PER_MS,
        "lanes": lanes,
        "level": [[5 * NS_PER_MS, 0, 0], [60 * NS_PER_MS, inside, waiting]],
    }
    calls = [
        made(n, 0, 10, ended=(0, 95))
        if n < inside + waiting
        else made(n, 0, 10, ended=(0, 25), reading="refused")
        for n in range(inside + waiting + 1)
    ]
    arrivals = [arrival(n + 1, n, (0, 11 + n), (0, 90), status=200) for n in range(inside)]
    events = [rested(5, 0), rested(60, 0), rested(99, 0)]
    return of_kind(
        "concurrency_limit",
        calls,
        proof,
        arrivals=arrivals,
        events=events,
        witness=list(range(inside)),
        **values,
    )


def deadline(ended_s: float | None = 33.0, idle_s: float | None = None, **values: Any) -> Any:
    """A call that is promised within 30 s, with one attempt."""
    end_ms = int((ended_s or idle_s or 30.0) * 1_000)
    proof = {
        "within_ns": 30 * NS_PER_S,
        "ended_ns": None if ended_s is None else int(ended_s * NS_PER_S),
        "idle_ns": None if idle_s is None else int(idle_s * NS_PER_S),
        "timers_ns": [int((ended_s or 31) * NS_PER_S)],
        "attempts": [
            {
                "dependency": values.pop("dependency", "search"),
                "from_ns": 0,
                "to_ns": end_ms * NS_PER_MS,
                "state": "gone",
                "status": None,
            }
        ],
    }
    calls = [made(0, 0, 1, ended=(end_ms, 90), reading="other", status=504)]
    arrivals = [arrival(1, 0, (0, 5), (end_ms, 85), state="gone", status=None)]
    events = [rested(10, 0), moved(20, 0, end_ms), rested(30, end_ms)]
    return of_kind("deadline", calls, proof, arrivals=arrivals, events=events, **values)


def leak(**values: Any) -> dict[str, Any]:
    """Threads that stay."""
    counts = {
        "descriptors": [24, 30, 30, 30, 30, 24],
        "threads": [10, 60, 110, 160, 210, 210],
        "processes": [1, 1, 1, 1, 1, 1],
    }
    proof = {"what": "threads", "a_call": 1.0, "after": 210, "counts": counts}
    calls = [made(n, n, n, ended=(n, n + 1), status=504) for n in range(200)]
    return of_kind("deadline", calls, proof, **values)


def everything(text: str = "") -> dict[str, dict[str, Any]]:
    """One of each, named; ``text`` wherever the service or the checker has a say."""
    said: dict[str, Any] = {"said": f"it is broken {text}"}
    return {
        "breaker": breaker(text, **said),
        "retry": retry(**said),
        "law": law(**said),
        "slots": slots(**said),
        "deadline": deadline(dependency=f"search {text}", **said),
        "never": deadline(ended_s=300.0, idle_s=300.0, **said),
        "leak": leak(**said),
    }


def report(directory: Path, cases: dict[str, dict[str, Any]]) -> Path:
    """A report folder of broken promises, one a case."""
    files = {name: f"counterexamples/shop.{name}.json" for name in cases}
    records = [
        promise(name, "broken", kind=case["promise"]["kind"], counterexample=files[name])
        for name, case in cases.items()
    ]
    return folder(directory, run(*records), {files[name]: case for name, case in cases.items()})
