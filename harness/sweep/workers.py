"""What a controller does about workers that died: see that all is undone, and tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.ledger import Book, discard, read
from harness.sweep.gather import Run, ledgers
from harness.sweep.judge import Standing
from harness.sweep.sweep import sweep, wait_for_reaper

if TYPE_CHECKING:
    from collections.abc import Iterator


def tend_workers(run_id: str) -> Iterator[str]:
    """For each worker of this run that died: what its reaper did, or what was done in its stead.

    Yields:
        One sentence for people for each.
    """
    for run in [one for one in ledgers() if one.book is not None and one.book.controller == run_id]:
        if any(owner.lives() for owner in run.owners.values()):
            continue
        waited = wait_for_reaper(run)
        book = None if run.ledger is None else read(run.ledger)
        if book is None:
            continue
        if book.done and run.ledger is not None:
            discard(run.ledger)
            yield f"a worker died; its reaper {_did(book)}"
        elif waited:
            yield f"a worker died, and its reaper too; {_in_its_stead(run)}"
        else:
            yield "a worker died, and its reaper has not ended: stormproof sweep tells what is left"


def _did(book: Book) -> str:
    removed = sum(one.startswith("directory ") for one in book.undone)
    return (
        f"ended {_count(book.ended, 'process', 'es')} and removed {_count(removed, 'folder', 's')}"
    )


def _in_its_stead(run: Run) -> str:
    if run.standing is Standing.CLEANING:
        run.reapers, run.standing = [], Standing.DEAD
    swept = sweep(run)
    if swept.failed:
        return f"not undone: {'; '.join(swept.failed)}"
    return f"what they left was undone ({_count(swept.ended, 'process', 'es')} ended)"


def _count(number: int, noun: str, ending: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{ending}"
