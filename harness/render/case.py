"""A counterexample's file as the reports read it: what they draw, and nothing that they need not know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

_MOST_BYTES: Final = 256 << 20

_LONGEST_NS: Final = 1 << 63

Ns = Annotated[int, AfterValidator(lambda ns: max(-_LONGEST_NS, min(ns, _LONGEST_NS)))]
"""A number of nanoseconds in a proof: what no clock can tell is taken for the most that one can."""
Instant = Annotated[int, Field(ge=-_LONGEST_NS, le=_LONGEST_NS)]
"""Nanoseconds in what was written down: there are many, so what no clock can tell is refused."""

Reading = Literal["admitted", "refused", "other", "lost"]


class Unreadable(Exception):
    """A counterexample that cannot be shown; the text says why."""


class Part(BaseModel):
    """Of a file that others wrote: what is not needed is not looked at."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class ShownCall(Part):
    """One call; ``written_ns`` and ``ended_ns`` on the machine's clock, the others on the target's."""

    index: int
    reading: Reading
    operation: str
    caller: str
    sent_target_ns: Instant
    status: int | None = None
    error: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    token: str | None = None
    written_ns: Instant = 0
    ended_ns: Instant | None = None
    ended_target_ns: Instant | None = None


class ShownArrival(Part):
    """What a dependency saw of a call; ``at_ns`` and ``ended_ns`` on the machine's clock."""

    dependency: str
    number: int
    token: str | None = None
    at_ns: Instant
    target_ns: Instant
    state: Literal["held", "answered", "cut", "gone"]
    status: int | None = None
    ended_ns: Instant | None = None
    ended_target_ns: Instant | None = None


class Happening(Part):
    """A clock move, a fault's begin or end, a rest, a count; only the fields of its event are set."""

    event: str
    at_ns: Instant = 0
    target_ns: Instant | None = None
    from_target_ns: Instant | None = None
    to_target_ns: Instant | None = None
    dependency: str = ""
    fault: str = ""
    effect: int | None = None
    name: str = ""
    said: str = ""
    doubt: str | None = None
    pids: tuple[int, ...] = ()
    threads: int = 0
    descriptors: int = 0
    connections: int = 0


class ShownPromise(Part):
    """What was promised; its other words belong to its kind."""

    kind: str = ""


class ShownTrial(Part):
    """The trial that showed it."""

    name: str
    purpose: str = ""


class ShownSize(Part):
    """How large a plan was before it was shrunk."""

    steps: int
    calls: int


class Case(Part):
    """What showed a promise broken."""

    format: Literal["stormproof-counterexample"]
    promise: ShownPromise = ShownPromise()
    trial: ShownTrial
    shrunk_from: ShownSize | None = None
    clock: str = "frozen"
    half: str
    said: str
    key: str = ""
    proof: Mapping[str, Any] = {}
    witness: tuple[int, ...] = ()
    broken_in: int = 1
    worlds: int = 1
    calls: tuple[ShownCall, ...]
    arrivals: tuple[ShownArrival, ...] = ()
    events: tuple[Happening, ...] = ()

    @property
    def kind(self) -> str:
        """Of the promise that is broken."""
        return self.promise.kind

    @property
    def held(self) -> bool:
        """The clock was held, so it moved only where it was moved."""
        return self.clock == "frozen"

    @property
    def origin_ns(self) -> int:
        """Target time from which all instants are told: where the proof begins, or the first call."""
        told = self.number("origin_ns")
        return (
            min((call.sent_target_ns for call in self.calls), default=0) if told is None else told
        )

    def number(self, name: str) -> int | None:
        """A whole number of the proof, None where it has none of that name."""
        value = self.proof.get(name)
        return value if isinstance(value, int) else None


def read_case(directory: Path, name: str) -> Case:
    """Read the file that a record names; only one that lies in the record's own folder.

    Raises:
        Unreadable: it is not there, lies elsewhere, or is no counterexample.
    """
    path = (directory / name).resolve()
    try:
        if not path.is_relative_to(directory.resolve()) or not path.is_file():
            raise Unreadable(f"{name} is not in the report folder")
        if path.stat().st_size > _MOST_BYTES:
            raise Unreadable(f"{name} is over {_MOST_BYTES >> 20} MiB")
        return Case.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{name} is no counterexample: {where} {first['msg']}") from error
