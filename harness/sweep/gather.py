"""What there is of runs on this machine: ledgers, private folders, marked processes, reapers."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from harness.ledger import (
    OWNER_MARKER,
    SUFFIX,
    Book,
    Folder,
    Owner,
    folders,
    here,
    listed,
    read,
    state_folders,
    temporary_folders,
    word,
)
from harness.living import RUN_MARKER, Seen, environment, everyone, find, look
from harness.reaper import REAPER_MARKER
from harness.sweep.judge import Facts, Standing, judge
from harness.undo import OF_THE_BOOT, is_there

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIRST_NAMESPACE: Final = "4026531836"
"""The kernel's number of the first namespace of process numbers (PROC_PID_INIT_INO): it sees all."""


@dataclass(slots=True)
class Run:
    """Everything that was found of one run.

    Attributes:
        name: its id; the path of its folder where none is known.
        ledger: path of its ledger, with what that says.
        folders: its private folders.
        processes: living processes that carry its marker.
        reapers: living reapers of it.
        owners: whoever a mark says that it belongs to.
        standing: what may be done to it, and why.
    """

    name: str
    ledger: str | None = None
    book: Book | None = None
    folders: list[Folder] = field(default_factory=list)
    processes: list[Seen] = field(default_factory=list)
    reapers: list[Seen] = field(default_factory=list)
    owners: dict[str, Owner] = field(default_factory=dict)
    standing: Standing = Standing.UNMARKED
    reason: str = ""

    @property
    def place_is_ours(self) -> bool:
        """Whether its process numbers mean something here."""
        return all(owner.place == here() for owner in self.owners.values())

    def entries(self) -> list[str]:
        """What is to be undone, the oldest first, as far as it is still there."""
        written = [] if self.book is None else self.book.entries
        if not self.place_is_ours:
            written = [one for one in written if one.partition(" ")[0] not in OF_THE_BOOT]
        found = [f"directory {one.inode} {word(one.path)}" for one in self.folders]
        stray = [f"{one.pid} {one.start}" for one in self.processes]
        found += [f"process {one}" for one in stray if f"group {one}" not in written]
        return [one for one in dict.fromkeys([*found, *written]) if is_there(self.name, one)]

    def owned_by(self, owner: Owner | None) -> None:
        """Another mark of it was read."""
        if owner is not None:
            self.owners[str(owner)] = owner


def gather() -> list[Run]:
    """Every run of which there is anything, judged; the name tells nothing of the order."""
    places = state_folders()
    runs = {run.name: run for run in _ledgers(places)}
    for folder in folders(temporary_folders()):
        if folder.path not in places:
            run = runs.setdefault(folder.run_id or folder.path, Run(folder.run_id or folder.path))
            run.folders.append(folder)
            run.owned_by(folder.owner)
    for seen in everyone():
        _sort_in(seen, runs)
    return _judged(runs)


def ledgers() -> list[Run]:
    """The runs of which there is a ledger, judged: quick, as no process but theirs is looked at."""
    runs = {run.name: run for run in _ledgers(state_folders())}
    for run in runs.values():
        found = [] if run.book is None else [find(pid, start) for pid, start in run.book.reapers]
        run.reapers = [one for one in found if one is not None]
    return _judged(runs)


def _ledgers(places: Iterable[str]) -> Iterable[Run]:
    for path in (path for place in places for path in listed(place)):
        book = read(path)
        if book is not None:
            run = Run(os.path.basename(path).removesuffix(SUFFIX), ledger=path, book=book)  # noqa: PTH119
            run.owned_by(book.owner)
            yield run


def _sort_in(seen: Seen, runs: dict[str, Run]) -> None:
    """A process that carries a marker of a run, or of a reaper, belongs to that."""
    held = dict(one.partition(b"=")[::2] for one in environment(seen.pid))
    reaps = held.get(os.fsencode(REAPER_MARKER), b"").decode("ascii", "replace")
    name = held.get(os.fsencode(RUN_MARKER), b"").decode("ascii", "replace")
    if reaps:
        runs.setdefault(reaps, Run(reaps)).reapers.append(seen)
    elif name and seen.pid != os.getpid():
        run = runs.setdefault(name, Run(name))
        run.processes.append(seen)
        run.owned_by(
            Owner.parse(held.get(os.fsencode(OWNER_MARKER), b"").decode("ascii", "replace"))
        )


def _judged(runs: Mapping[str, Run]) -> list[Run]:
    for run in runs.values():
        owners: list[Owner | None] = [*run.owners.values()]
        found = [judge(_facts(run, owner)) for owner in owners or [None]]
        run.standing, run.reason = min(found, key=lambda one: list(Standing).index(one[0]))
    for run in runs.values():
        controller = (
            runs.get(run.book.controller) if run.book is not None and run.book.done else None
        )
        if controller is not None and controller.standing is Standing.LIVES:
            run.standing, run.reason = Standing.LIVES, f"run {controller.name} will tell of its end"
    return [run for run in runs.values() if run.owners or run.ledger or run.folders or run.reapers]


def _facts(run: Run, owner: Owner | None) -> Facts:
    lives = owner is not None and find(owner.pid, owner.start) is not None
    taken = None if owner is None else look(owner.pid)
    place = here()
    return Facts(
        owner=owner,
        here=place,
        machine=os.uname().nodename,
        owner_lives=lives,
        number_taken=taken is not None,
        namespace_gone=owner is not None and owner.place != place and _is_gone(owner.place),
        reaper_lives=bool(run.reapers),
        has_ledger=run.ledger is not None,
    )


def _is_gone(place: str) -> bool:
    """Whether no process lives in that place's namespace of numbers, as far as that is certain."""
    namespace = place.split(":")[1]
    if here().split(":")[1] != _FIRST_NAMESPACE:
        return False  # only from there all others are seen
    for seen in everyone():
        try:
            if os.readlink(f"/proc/{seen.pid}/ns/pid") == f"pid:[{namespace}]":  # noqa: PTH115
                return False
        except OSError:
            if _is_nested(seen.pid):
                return False
    return True


def _is_nested(pid: int) -> bool:
    """Whether a process lives in another namespace of numbers than ours, which anybody may know."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    numbers = [line.split()[1:] for line in lines if line.startswith("NSpid:")]
    return not numbers or len(numbers[0]) > 1
