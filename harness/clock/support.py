"""Proof that a process tree takes its time from the page: move the clock, make it work, look who asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from harness.clock.errors import ClockIgnored
from harness.clock.page import Page
from harness.clock.threads import Threads, command_of, descendants

__all__ = ["check_support"]

STEPS_NS = (1_000_000, 100_000_000, 100_000_000, 100_000_000)
"""How far time is moved: all but the first are past the longest tick that servers idle in. Several,
since on a busy machine a service may not come to answer within our patience."""
PATIENCE_S = 1.0


class Clock(Protocol):
    """What is needed of a held clock."""

    library: Path

    @property
    def doubt(self) -> str | None: ...
    def advance(self, by_ns: int) -> None: ...
    def now_ns(self) -> int: ...
    def settle(self, patience_s: float = ...) -> bool: ...


def check_support(
    clock: Clock, page: Page, threads: Threads, pid: int, poke: Callable[[], None]
) -> None:
    """See `harness.clock.held.HeldClock.supports`; the clock is frozen.

    A process passes if it asked for the time after the move and was told the new one. One that did
    not run at all (an idle worker), or only waits in waits of ours (a parent), passes as well; but
    at least one must have asked.
    """
    for step_ns in STEPS_NS:
        clock.settle(PATIENCE_S)
        before = threads.records()
        clock.advance(step_ns)
        now_ns = clock.now_ns()
        poke()
        clock.settle(PATIENCE_S)
        ran = {thread[0] for thread, record in threads.records().items() - before.items()}
        tree = {member for member in descendants({pid}) if not is_zombie(member)}
        refuse_strangers(clock, page, tree)
        slots = [slot for slot in page.slots() if slot.pid in tree]
        asked = {slot.pid for slot in slots if slot.seen_ns >= now_ns}
        ours = asked | {slot.pid for slot in slots if slot.blocked and slot.tid}
        silent = (tree & ran) - ours
        if asked and not silent:
            return
    suspect = min(silent, default=pid)
    raise ClockIgnored(
        suspect, command_of(suspect), "it worked while time stood still and never asked for it"
    )


def refuse_strangers(clock: Clock, page: Page, tree: set[int]) -> None:
    """Every process must have the library, and a place on the page."""
    if clock.doubt:
        stranger = min(tree)
        raise ClockIgnored(stranger, command_of(stranger), clock.doubt)
    owners = {slot.pid for slot in page.slots()}
    for pid in sorted(tree):
        if reason := why_not_ours(pid, clock.library, has_slot=pid in owners):
            raise ClockIgnored(pid, command_of(pid), reason)


def why_not_ours(pid: int, library: Path, *, has_slot: bool) -> str | None:
    """Why a process cannot follow the page; None: it can, or has ended meanwhile.

    A slot alone says little: a wrapper that gives its place to a program without the library leaves
    its own behind.
    """
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(errors="replace")
    except PermissionError:
        maps = str(library)
    except OSError:
        return None
    if not maps or (has_slot and str(library) in maps):
        return None
    if str(library) in maps:
        return "it has the clock's library, but no place on its page (may it open the file?)"
    if "/ld-musl" in maps:
        return "it uses the C library musl, and the clock's library needs glibc"
    if "/ld-linux" not in maps and "/libc.so" not in maps and "/ld-" not in maps:
        return "it is statically linked (as Go programs mostly are), so no library can be preloaded"
    return (
        "it runs without the clock's library: set-user-id programs and wrappers that clear the "
        "environment drop LD_PRELOAD"
    )


def is_zombie(pid: int) -> bool:
    """Whether it has ended, and its parent has not asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2][:1] in (b"Z", b"X")
    except OSError:
        return True
