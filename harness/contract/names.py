"""The names that may stand in braces in a contract, and putting values in their place.

``{{`` and ``}}`` are literal braces. A name that is not on the list is an error; no code runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final

from harness.errors import HarnessError

MEANINGS: Final[Mapping[str, str]] = {
    "python": "the interpreter: `python` of the target, else the one that runs Stormproof",
    "port": "the free port that the service must listen on",
    "NAME.port": "a free port for the process NAME",
    "contract.dir": "the folder of the contract",
    "work.dir": "a fresh writable folder for each start",
    "NAME.url": "address of the dependency NAME, without a trailing slash",
    "n": "number of the client: another one in each fresh world",
    "text": "a text drawn for each call",
    "call": "the call's own token, another one for each: a witness tells by it whose request it got",
    "token": "what the identity's `login` has yielded",
    "env.NAME": "value of the environment variable NAME; never printed",
}
"""Every name and what stands in its place."""

_NEEDED: Final = {"url": "dependency", "port": "process"}
_LISTED_MAX: Final = 20
_TOKEN: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_ENVIRONMENT: Final = re.compile(r"env\.([A-Za-z_][A-Za-z0-9_]*)")


class BadName(HarnessError, ValueError):
    """A ``{…}`` that stands for nothing, or a brace on its own; the message never holds a value."""


class Place(Enum):
    """Where a text stands; each place knows names of its own."""

    START = frozenset({"python", "port", "contract.dir", "work.dir"})
    FOLDER = frozenset({"contract.dir", "work.dir"})
    CALL = frozenset({"n", "text", "call"})
    BESIDE = frozenset({"contract.dir"})
    IDENTITY = frozenset({"n"})
    LOGGED_IN = frozenset({"n", "token"})


@dataclass(frozen=True, slots=True)
class Known:
    """The names known at one place.

    Attributes:
        names: all but environment variables.
        is_start: whether dependencies and processes are known here.
        environ: names of the environment variables that are set.
    """

    names: frozenset[str]
    is_start: bool
    environ: frozenset[str]

    @classmethod
    def at(
        cls,
        place: Place,
        dependencies: Iterable[str],
        environ: Iterable[str],
        processes: Iterable[str] = (),
    ) -> Known:
        """What may stand at ``place`` of a contract with these dependencies and processes."""
        is_start = place is Place.START
        urls = {f"{name}.url" for name in dependencies} if is_start else set()
        ports = {f"{name}.port" for name in processes} if is_start else set()
        return cls(place.value | urls | ports, is_start, frozenset(environ))

    def problem(self, text: str) -> str | None:
        """What is wrong with the braces in ``text``, or None."""
        try:
            unknown = sorted(name for name in names_in(text) if not self._knows(name))
        except BadName as error:
            return str(error)
        return self._unknown(unknown[0]) if unknown else None

    def _knows(self, name: str) -> bool:
        match = _ENVIRONMENT.fullmatch(name)
        return match[1] in self.environ if match else name in self.names

    def _unknown(self, name: str) -> str:
        match = _ENVIRONMENT.fullmatch(name)
        if match:
            return f"{{{name}}}: the environment variable {match[1]} is not set"
        close = get_close_matches(name, self.names, n=1)
        hint = f" Did you mean `{{{close[0]}}}`?" if close else ""
        owner, dot, suffix = name.rpartition(".")
        needed = _NEEDED.get(suffix) if dot else None
        what = "is no known name"
        if name in MEANINGS or (needed and not self.is_start):
            what = "cannot be used here"
        elif needed:
            what = f"needs a {needed} `{owner}`"
        allowed = ", ".join(f"{{{known}}}" for known in sorted(self.names)[:_LISTED_MAX])
        return (
            f"{{{name}}} {what}.{hint} Allowed here: {allowed}, {{env.NAME}}; "
            "a literal brace is written {{ or }}"
        )


class Names(Mapping[str, str]):
    """Names and their values; the values stay out of every repr, as they may be secrets."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @classmethod
    def with_environment(cls, values: Mapping[str, str], environ: Mapping[str, str]) -> Names:
        """``values``, and each variable of ``environ`` as ``env.NAME``."""
        return cls({**{f"env.{name}": value for name, value in environ.items()}, **values})

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Names({', '.join(sorted(self._values))})"


def names_in(text: str) -> set[str]:
    """The names that stand in braces.

    Raises:
        BadName: a brace stands on its own.

    >>> sorted(names_in("{{literal}} key-{n} {env.TOKEN}"))
    ['env.TOKEN', 'n']
    """
    return {name for name in (_name(match) for match in _TOKEN.finditer(text)) if name is not None}


def expand(text: str, names: Mapping[str, str]) -> str:
    """Put the values of ``names`` in the place of each ``{name}``.

    Raises:
        BadName: a name that ``names`` lacks, or a brace on its own.

    >>> expand("{{n}} is {n}", {"n": "7"})
    '{n} is 7'
    """

    def value(match: re.Match[str]) -> str:
        name = _name(match)
        if name is None:
            return match[0][0]
        if name not in names:
            raise BadName(f"{{{name}}} has no value here; known: {', '.join(sorted(names))}")
        return names[name]

    return _TOKEN.sub(value, text)


def expand_value(value: Any, names: Mapping[str, str]) -> Any:
    """``expand`` every text in a JSON value; keys and all else stay as they are.

    >>> expand_value({"topic": ["{text}", 1]}, {"text": "x"})
    {'topic': ['x', 1]}
    """
    if isinstance(value, str):
        return expand(value, names)
    if isinstance(value, list):
        return [expand_value(item, names) for item in value]
    if isinstance(value, dict):
        return {key: expand_value(item, names) for key, item in value.items()}
    return value


def _name(match: re.Match[str]) -> str | None:
    """The name in the braces, or None for a literal brace."""
    if match[0] in {"{{", "}}"}:
        return None
    if match[1] is None:
        raise BadName(f"a `{match[0]}` on its own: a literal brace is written {match[0] * 2}")
    return match[1]
