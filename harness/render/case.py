"""A counterexample's file as the reports read it: what they draw, and nothing that they need not know."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

_MOST_BYTES = 256 << 20

Reading = Literal["admitted", "refused", "other", "lost"]


class Unreadable(Exception):
    """A counterexample that cannot be shown; the text says why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ShownCall(_Part):
    """One call; target time in nanoseconds."""

    index: int
    reading: Reading
    operation: str
    caller: str
    sent_target_ns: int
    status: int | None = None
    error: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class Happening(_Part):
    """A clock move, a fault's begin or end, a start; only the fields of its event are set."""

    event: str
    target_ns: int | None = None
    from_target_ns: int | None = None
    to_target_ns: int | None = None
    dependency: str = ""
    fault: str = ""
    effect: int | None = None


class ShownTrial(_Part):
    """The trial that showed it."""

    name: str
    purpose: str = ""


class ShownSize(_Part):
    """How large a plan was before it was shrunk."""

    steps: int
    calls: int


class Case(_Part):
    """What showed a promise broken."""

    format: Literal["stormproof-counterexample"]
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
    events: tuple[Happening, ...] = ()

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
