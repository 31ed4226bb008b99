"""The baseline file: promises that are known to be broken, until a day and for a reason.

A baseline never makes anything green that nobody looked at: *unknown* stays unknown, and a promise
that is kept again must leave the file, so that it cannot break once more unseen.

>>> import datetime
>>> entry = Known(service="shop", promise="rate", until=datetime.date(2026, 3, 31), because="SHOP-7")
>>> standing(entry, "broken", datetime.date(2026, 3, 31), "known.yaml").state
'known'
>>> standing(entry, "broken", datetime.date(2026, 4, 1), "known.yaml").state
'expired'
>>> standing(entry, "kept", datetime.date(2026, 1, 1), "known.yaml").state
'kept_now'
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from harness.contract.explain import did_you_mean, read_words, shown
from harness.contract.files import decode, in_file_order, read_bytes
from harness.contract.load import LoadedContract
from harness.contract.nodes import Node, Unreadable, read_tree
from harness.contract.words import Words
from harness.errors import BaselineError, Problem

VERSION: Final = 1
_WHAT: Final = "baseline"
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

State = Literal["known", "expired", "kept_now", "unseen", "open"]
VerdictWord = Literal["kept", "broken", "unknown"]


def _day(value: Any) -> Any:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        said = json.dumps(value) if isinstance(value, str | int | float | bool) else "this"
        raise ValueError(f"{said} is no day: write year, month and day, as in 2026-12-31")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value} is no day of the calendar") from None


def _reason(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("say why it is broken, and who mends it")
    return " ".join(value.split()) if isinstance(value, str) else value


class Known(Words):
    """One promise that is known to be broken.

    Attributes:
        service: as the contract names it.
        promise: its id.
        until: the last day (UTC) on which it may be broken, as in 2026-12-31.
        because: why it is broken, and who mends it.
    """

    service: str
    promise: str
    until: Annotated[date, BeforeValidator(_day)]
    because: Annotated[str, BeforeValidator(_reason), Field(max_length=2_000)]


class _File(Words):
    """A baseline.

    Attributes:
        baseline: version of the format: 1.
        known: the promises that are known to be broken.
    """

    baseline: int
    known: tuple[Known, ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline file that can be used.

    Attributes:
        path: as it was named.
        entries: each with its line, by service and promise.
    """

    path: Path
    entries: Mapping[tuple[str, str], tuple[Known, int]]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a verdict stands against what was known.

    Attributes:
        state: ``known``: broken as expected; ``expired``: broken after its day; ``kept_now``: not
            broken any more; ``unseen``: kept as far as a smoke run looks, which is not far;
            ``open``: unknown.
        said: the words for it.
        fails: the run fails because of it, or in spite of it.
    """

    state: State
    said: str
    fails: bool


def standing(
    entry: Known, verdict: VerdictWord, today: date, file: str, *, smoke: bool = False
) -> Standing:
    """What becomes of a promise with an entry.

    Args:
        entry: what is known.
        verdict: what was found.
        today: in UTC; the day of ``until`` itself still counts.
        file: name of the baseline file, for the words.
        smoke: it was a smoke run, in which *kept* proves little.
    """
    known = f"known broken until {entry.until}, because {entry.because}"
    if verdict == "unknown":
        return Standing("open", f"{known}; unknown is never hidden by a baseline", fails=False)
    if verdict == "kept":
        if smoke:
            return Standing("unseen", f"{known}; a smoke run does not see it", fails=False)
        return Standing("kept_now", f"is kept now: remove it from {file} ({known})", fails=True)
    if today > entry.until:
        return Standing(
            "expired",
            f"{known}; that day has passed: mend it, or give it a later day in {file}",
            fails=True,
        )
    return Standing("known", known, fails=False)


def load_baseline(path: Path, contracts: Iterable[LoadedContract]) -> Baseline:
    """Read a baseline file, in YAML or JSON.

    Args:
        path: at most 1 MiB, in UTF-8.
        contracts: those of this run; every entry must be about a promise of theirs.

    Raises:
        BaselineError: with everything that is wrong, in the order of the file.
    """
    try:
        root, marred = read_tree(decode(read_bytes(path, _WHAT)), _WHAT)
        _check_root(root)
    except Unreadable as error:
        raise BaselineError(path, in_file_order([error.problem])) from None
    file, problems = read_words(_File, root)
    problems = [*marred, *problems]
    section = root.get("known")
    nodes = section.items() if section is not None else ()
    if file is not None:
        problems += _doubles(nodes, file.known)
        problems += _strangers(nodes, file.known, contracts)
    if file is None or problems:
        raise BaselineError(path, in_file_order(problems))
    found = zip(nodes, file.known, strict=True)
    return Baseline(
        path, {(known.service, known.promise): (known, node.line) for node, known in found}
    )


def _check_root(root: Node) -> None:
    if not isinstance(root.value, Mapping):
        message = f"a baseline is a mapping that begins with `baseline: 1`, not {shown(root)}"
        raise Unreadable(root.problem(message))
    version = root.get("baseline")
    if version is not None and type(version.value) is int and version.value != VERSION:
        message = (
            f"baseline: version {version.value} is not supported; this Stormproof reads {VERSION}"
        )
        raise Unreadable(version.problem(message))


def _doubles(nodes: Iterable[Node], entries: Iterable[Known]) -> list[Problem]:
    first: dict[tuple[str, str], int] = {}
    problems = []
    for node, known in zip(nodes, entries, strict=True):
        key = known.service, known.promise
        if key in first:
            message = f"{known.promise} of {known.service} stands in line {first[key]} already"
            problems.append(node.problem(message))
        first.setdefault(key, node.line)
    return problems


def _strangers(
    nodes: Iterable[Node], entries: Iterable[Known], contracts: Iterable[LoadedContract]
) -> list[Problem]:
    promised = {
        loaded.contract.service: [promise.id for promise in loaded.contract.promises]
        for loaded in contracts
    }
    problems = []
    for node, known in zip(nodes, entries, strict=True):
        ids = promised.get(known.service)
        key = "service" if ids is None else "promise"
        word = known.service if ids is None else known.promise
        if ids is None or known.promise not in ids:
            what = "no contract of this run is of service" if ids is None else "no promise"
            hint = did_you_mean(word, promised if ids is None else ids)
            place = node.get(key) or node
            problems.append(place.problem(f"{key}: {what} `{word}`{hint}"))
    return problems
