"""The file of a counterexample: written by ``verify``, read by ``replay``, which trusts nothing in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.contract.load import LoadedContract
from harness.contract.words import Promise
from harness.errors import UsageError
from harness.history import Arrival, Call, Event, FaultBegan, FaultEnded, event_to_json
from harness.plan import Step, Trial, step_to_json
from harness.planfile import steps_from_json
from harness.runner.stage import Counterexample
from harness.shrink.unroll import unrolled
from harness.verdict import Finding

FORMAT: Final = "stormproof-counterexample"
VERSION: Final = 3
"""1 held the trial's plan with its repetitions and marks; 2 a plan that is played as it stands; 3 holds
what the witnesses saw too, and whether the target must have been started just now."""

_BODY_CHARS: Final = 2_000
_MOST_BYTES: Final = 256 << 20
_LATEST_NS: Final = 1 << 63
_AGAIN: Final = "run `stormproof verify` again to get a new one"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Trial(_Part):
    name: Annotated[str, Field(max_length=200)]
    purpose: Annotated[str, Field(max_length=2_000)]
    fresh: Literal["quiet", "restart"]


class _Size(_Part):
    steps: Annotated[int, Field(ge=0)]
    calls: Annotated[int, Field(ge=0)]


class _File(_Part):
    """What stands in a file; the plan and the promise are read by those who know them."""

    format: str
    version: int
    versions: dict[str, str]
    service: str
    contract: Annotated[str, Field(min_length=1)]
    contract_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    promise: dict[str, Any]
    seed: int
    clock: Literal["frozen", "real"]
    trial: _Trial
    plan: list[Any]
    shrunk_from: _Size | None
    half: str
    said: str
    key: str
    proof: dict[str, Any]
    witness: list[int]
    broken_in: Annotated[int, Field(ge=1)]
    worlds: Annotated[int, Field(ge=1)]
    calls: list[dict[str, Any]]
    arrivals: list[dict[str, Any]]
    events: list[dict[str, Any]]


_ARRIVALS: Final = TypeAdapter(list[Arrival])


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What is needed to see a counterexample again.

    Attributes:
        contract: the contract's file when it was verified, absolute.
        contract_sha256: of its bytes then, in hex.
        promise: with the words that were broken.
        clock: how the target's time passed.
        trial: the plan, with the name of the trial that it came from.
        finding: what was proved then.
        broken_in, worlds: in how many of how many fresh worlds it was seen.
        wall_ns: the target's wall clock, since the epoch, when its first call was sent; None where
            the file does not tell.
        arrivals: what the witnesses saw then.
    """

    service: str
    contract: Path
    contract_sha256: str
    promise: Promise
    seed: int
    clock: Literal["frozen", "real"]
    trial: Trial
    finding: Finding
    broken_in: int
    worlds: int
    wall_ns: int | None = None
    arrivals: tuple[Arrival, ...] = ()


def to_json(
    loaded: LoadedContract,
    promise: Promise,
    found: Counterexample,
    *,
    seed: int,
    clock: str,
    repeats: tuple[int, int],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """The file's values; the plan is unrolled, so that nothing in it looks at answers."""
    finding = found.verdict.findings[0]
    calls = found.history.calls
    plan = unrolled(found.trial.steps, found.played)
    before = found.shrunk_from
    return {
        "format": FORMAT,
        "version": VERSION,
        "versions": dict(versions),
        "service": loaded.contract.service,
        "contract": str(loaded.path),
        "contract_sha256": loaded.sha256,
        "promise": promise.model_dump(mode="json", by_alias=True, exclude_unset=True),
        "seed": seed,
        "clock": clock,
        "trial": {
            "name": found.trial.name,
            "purpose": found.trial.purpose,
            "fresh": found.trial.fresh,
        },
        "plan": [step_to_json(step) for step in plan],
        "shrunk_from": None if before is None else {"steps": before[0], "calls": before[1]},
        "half": finding.half,
        "said": finding.said,
        "key": finding.key,
        "proof": dict(finding.proof),
        "witness": list(finding.calls),
        "broken_in": repeats[0],
        "worlds": repeats[1],
        "calls": [
            {"index": index, "reading": _reading(calls[index], admitted), **_cut(calls[index])}
            for index, admitted in found.readings.items()
        ],
        "arrivals": [_cut(each) for each in _arrivals(found)],
        "events": [event_to_json(event) for event in _around(found)],
    }


def _cut(event: Call | Arrival) -> dict[str, Any]:
    values = event_to_json(event)
    values["body"] = values["body"][:_BODY_CHARS]
    return values


def _arrivals(found: Counterexample) -> Iterator[Arrival]:
    """What the witnesses saw of its calls; what carries no call's token, while they were under way."""
    calls = [found.history.calls[index] for index in found.readings]
    tokens: Collection[str | None] = {call.token for call in calls if call.token is not None}
    from_ns = min((call.written_ns for call in calls), default=0)
    to_ns = max((call.ended_ns or call.written_ns for call in calls), default=-1)
    for each in found.history.arrivals:
        if each.token in tokens or (each.token is None and from_ns <= each.at_ns <= to_ns):
            yield each


def _reading(call: Call, admitted: bool | None) -> str:
    """One of ``admitted``, ``refused``, ``other`` (an answer that is neither) and ``lost``."""
    if admitted is None:
        return "lost" if call.status is None else "other"
    return "admitted" if admitted else "refused"


def _around(found: Counterexample) -> Iterator[Event]:
    """Clock moves, faults and starts from the first of its calls to the end of the last.

    A fault that had begun before and was not over belongs to them.
    """
    every = found.history.calls
    calls = [every[index] for index in found.readings]
    first = min((call.written_seq for call in calls), default=0)
    last = max((call.answered_seq or call.written_seq for call in calls), default=-1)
    away: dict[tuple[str, str], Event] = {}
    for event in found.history.events:
        if isinstance(event, FaultBegan) and event.seq < first:
            away[event.dependency, event.name] = event
        elif isinstance(event, FaultEnded) and event.seq < first:
            away.pop((event.dependency, event.name), None)
    yield from away.values()
    for event in found.history.events:
        if not isinstance(event, Call) and first < event.seq < last:
            yield event


def read(path: Path, kinds: Mapping[str, type[Promise]]) -> Saved:
    """Read a counterexample.

    Args:
        path: the file.
        kinds: name of each known kind of promise, and its words.

    Raises:
        UsageError: it is none, or of another version, or damaged; the text says what to do.
    """
    values = _values(path)
    _check_format(path, values)
    try:
        file = _File.model_validate_json(json.dumps(values))
        steps: tuple[Step, ...] = steps_from_json(file.plan)
        promise = _promise(file.promise, kinds)
        arrivals = _ARRIVALS.validate_json(json.dumps(file.arrivals), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise UsageError(_damaged(path, f"{where}: {first['msg']}")) from None
    except UsageError as error:
        raise UsageError(_damaged(path, str(error))) from None
    return Saved(
        service=file.service,
        contract=Path(file.contract),
        contract_sha256=file.contract_sha256,
        promise=promise,
        seed=file.seed,
        clock=file.clock,
        trial=Trial(
            name=file.trial.name,
            purpose=file.trial.purpose,
            steps=steps,
            fresh=file.trial.fresh,
        ),
        finding=Finding(
            half=file.half,
            said=file.said,
            key=file.key,
            calls=tuple(file.witness),
            proof=file.proof,
        ),
        broken_in=file.broken_in,
        worlds=file.worlds,
        wall_ns=_first_sent(file.calls),
        arrivals=tuple(arrivals),
    )


def _first_sent(calls: list[dict[str, Any]]) -> int | None:
    sent = [call.get("sent_wall_ns") for call in calls]
    return min((ns for ns in sent if isinstance(ns, int) and 0 <= ns < _LATEST_NS), default=None)


def _values(path: Path) -> dict[str, Any]:
    """The JSON object in a plain file of a sensible size."""
    try:
        if not path.exists():
            raise UsageError(f"{path} is not there; {_AGAIN}")
        if not path.is_file():
            raise UsageError(f"{path} is no plain file; name a file under counterexamples/")
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(
                f"{path} is over {_MOST_BYTES >> 20} MiB: no counterexample is so large"
            )
        text = path.read_bytes().decode("utf-8")
        values = json.loads(text, parse_constant=_no_number)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise UsageError(_damaged(path, "it is nested too deeply")) from None
    except UnicodeDecodeError:
        raise UsageError(_damaged(path, "it is no UTF-8 text")) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        ends = error.pos >= len(text.rstrip()) or not text.rstrip().endswith("}")
        cut = " (was it cut off? it does not end as it should)" if ends else ""
        raise UsageError(_damaged(path, f"{where}{cut}")) from None
    except ValueError as error:
        raise UsageError(_damaged(path, str(error))) from None
    if not isinstance(values, dict):
        raise UsageError(_damaged(path, "it holds no JSON object"))
    return values


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _check_format(path: Path, values: Mapping[str, Any]) -> None:
    found, version = values.get("format"), values.get("version")
    if found == "stormproof-run":
        raise UsageError(
            f"{path} is the record of a run; name one of the files under counterexamples/ beside it"
        )
    if found != FORMAT:
        raise UsageError(f"{path} is no counterexample of stormproof: it has no format {FORMAT!r}")
    if version == VERSION and not isinstance(version, bool):
        return
    if not isinstance(version, int) or isinstance(version, bool):
        raise UsageError(_damaged(path, "its version is no number"))
    if version < VERSION:
        raise UsageError(
            f"{path} was written by an older stormproof (version {version} of the format, this one "
            f"reads {VERSION}); {_AGAIN}"
        )
    raise UsageError(
        f"{path} was written by a newer stormproof (version {version} of the format, this one reads "
        f"{VERSION}); update stormproof"
    )


def _promise(words: Mapping[str, Any], kinds: Mapping[str, type[Promise]]) -> Promise:
    kind = kinds.get(words["kind"]) if isinstance(words.get("kind"), str) else None
    if kind is None:
        raise UsageError(
            f"promise: there is no kind {str(words.get('kind'))[:60]!r}; known are {', '.join(kinds)}"
        )
    return kind.model_validate_json(json.dumps(words))


def _damaged(path: Path, what: str) -> str:
    return f"{path} is damaged, or was changed by hand: {what}; {_AGAIN}"
