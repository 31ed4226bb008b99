"""Small report folders made by hand, and large ones made by number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.record import PromiseRecord, RunRecord, TrialRecord, VerdictWord, write_run
from harness.units import NS_PER_MS

ORIGIN_NS = 5_000_000_000_000
"""The target's clock when a proof begins: far from zero, as it is in earnest."""


def call(index: int, at_ms: int, reading: str = "admitted", **values: Any) -> dict[str, Any]:
    """A call at so many milliseconds after the proof began."""
    status = {"admitted": 200, "refused": 429, "other": 500, "lost": None}[reading]
    return {
        "index": index,
        "reading": reading,
        "event": "Call",
        "operation": "list",
        "caller": "key-1",
        "sent_target_ns": ORIGIN_NS + at_ms * NS_PER_MS,
        "status": status,
        "error": "reset" if status is None else None,
        "headers": [],
        "body": "{}",
        **values,
    }


def calls(*groups: tuple[int, int, str]) -> list[dict[str, Any]]:
    """Calls by groups of ``(how many, at_ms, reading)``, numbered from 0."""
    made: list[dict[str, Any]] = []
    for many, at_ms, reading in groups:
        made += [call(len(made) + n, at_ms, reading) for n in range(many)]
    return made


def counterexample(
    made: Sequence[dict[str, Any]], witness: Iterable[int], **values: Any
) -> dict[str, Any]:
    """The file of a counterexample; ``values`` take the place of what they name."""
    return {
        "format": "stormproof-counterexample",
        "version": 3,
        "promise": {"kind": "rate_limit"},
        "trial": {"name": "T1 edge", "purpose": "one more than the limit"},
        "clock": "frozen",
        "half": "upper",
        "said": "31 calls of key-1 were admitted",
        "key": "key-1",
        "proof": {},
        "witness": list(witness),
        "broken_in": 3,
        "worlds": 3,
        "calls": list(made),
        "events": [],
        **values,
    }


def upper(made: Sequence[dict[str, Any]], witness: Sequence[int], bound: int) -> dict[str, Any]:
    """A counterexample of the upper half: more than ``bound`` were admitted."""
    at = [made[index]["sent_target_ns"] for index in witness]
    proof = {
        "from_ns": min(at),
        "to_ns": max(at),
        "count": len(witness),
        "bound": bound,
        "origin_ns": ORIGIN_NS,
    }
    return counterexample(made, witness, proof=proof)


def trial(name: str, verdict: VerdictWord, **values: Any) -> TrialRecord:
    """A trial that was played."""
    known: dict[str, Any] = {
        "name": name,
        "purpose": "to see",
        "verdict": verdict,
        "reason": "every step was answered as promised",
        "needed": True,
        "evidence": {"calls": 4, "admitted": 3, "refused": 1, "lost": 0},
        "broken_in": 0,
        "worlds": 1,
        **values,
    }
    return TrialRecord(**known)


def promise(name: str, verdict: VerdictWord, **values: Any) -> PromiseRecord:
    """A promise with two trials."""
    known: dict[str, Any] = {
        "service": "shop",
        "id": name,
        "kind": "rate_limit",
        "says": None,
        "verdict": verdict,
        "reason": "because",
        "ran": True,
        "clock": "frozen",
        "evidence": {},
        "trials": (trial("T1 edge", verdict), trial("T2 rate", "kept")),
        "counterexample": None,
        "notes": (),
        "duration_s": 1.5,
        **values,
    }
    return PromiseRecord(**known)


def run(*promises: PromiseRecord, **values: Any) -> RunRecord:
    """A run that has ended."""
    known: dict[str, Any] = {
        "service": "shop",
        "contracts": {"shop": "contract.yaml"},
        "started": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "finished": datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC),
        "seed": 1,
        "clock": "auto",
        "selected": len(promises),
        "versions": {"stormproof": "0.1.0"},
        "promises": promises,
        **values,
    }
    return RunRecord(**known)


def folder(
    directory: Path, record: RunRecord, cases: dict[str, dict[str, Any]] | None = None
) -> Path:
    """Write a report folder."""
    (directory / "counterexamples").mkdir(parents=True, exist_ok=True)
    for name, values in (cases or {}).items():
        (directory / name).write_text(json.dumps(values))
    write_run(directory, record)
    return directory


def large(directory: Path, promises: int = 200, each: int = 250) -> Path:
    """So many broken promises with so many calls each, every text as bad as it gets."""
    says = "<b>&\"'`|" * 1_112
    body = "<script>alert(1)</script>" * 20
    cases, records = {}, []
    for number in range(promises):
        name = f"counterexamples/shop.p{number}.json"
        made = [
            call(
                index,
                index * 37,
                "admitted" if index % 3 else "refused",
                body=body,
                headers=[["x-header", "</script>"]] * 6,
            )
            for index in range(each)
        ]
        cases[name] = upper(made, [i for i in range(each) if i % 3], 30) | {"clock": "real"}
        records.append(
            promise(
                f"p{number}",
                "broken",
                says=says,
                reason=says,
                counterexample=name,
                trials=tuple(
                    trial(f"T{n}", "broken", purpose=says, reason=says, broken_in=2, worlds=5)
                    for n in range(15)
                ),
            )
        )
    return folder(directory, run(*records), cases)
