"""Who lives: processes as ``/proc`` shows them, told apart by their number and their start.

START is field 22 of ``/proc/PID/stat`` (ticks since boot). It stands for the identity of a process:
a pid that was given to somebody else has another START. Lean, as the reaper imports it.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

RUN_MARKER = "STORMPROOF_RUN"
_POLL_S = 0.005


class Seen:
    """A process, as ``/proc/PID/stat`` shows it; ``start`` in ticks since boot."""

    __slots__ = ("group", "parent", "pid", "session", "start", "state")

    def __init__(self, pid: int, stat: str) -> None:
        fields = stat[stat.rindex(")") + 2 :].split()
        self.pid = pid
        self.state = fields[0]
        self.parent, self.group, self.session = (int(field) for field in fields[1:4])
        self.start = int(fields[19])

    @property
    def lives(self) -> bool:
        """Not dead; a stopped process lives."""
        return self.state not in "ZX"


def look(pid: int) -> Seen | None:
    """The process of that number, a dead one that nobody waited for included; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return Seen(pid, file.read())
    except (OSError, ValueError):
        return None


def find(pid: int, start: int) -> Seen | None:
    """The process of that number and start, if it lives."""
    seen = look(pid)
    return seen if seen is not None and seen.start == start and seen.lives else None


def everyone() -> list[Seen]:
    """Every process that this user can see and that is not dead."""
    try:
        names = os.listdir("/proc")  # noqa: PTH208
    except OSError:
        return []
    seen = (look(int(name)) for name in names if name.isdigit())
    return [one for one in seen if one is not None and one.lives]


def environment(pid: int) -> list[bytes]:
    """The ``NAME=value`` that a process was started with; empty if that is not for us to see."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return file.read().split(b"\0")
    except OSError:
        return []


def carries(pid: int, markers: Collection[str]) -> bool:
    """Whether the environment that the process was started with holds all these ``NAME=value``."""
    held = environment(pid)
    return all(os.fsencode(marker) in held for marker in markers)


def ticks_now() -> int:
    """This moment in the unit of ``Seen.start``."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def family(leaders: Mapping[int, int], markers: Collection[str], before: int) -> list[Seen]:
    """The living processes that belong to these session leaders, and those that carry the markers.

    Args:
        leaders: pid and start of each; its group, session and descendants belong to it.
        markers: ``NAME=value`` that a process must have been started with, all of them.
        before: until when (ticks) the leaders' numbers cannot have been given to others, since
            their parent had not waited for them: members of a dead leader's session that were
            there by then are its own.
    """
    everybody = [one for one in everyone() if one.pid != os.getpid()]
    ours = {one.pid: one for one in everybody if _belongs(one, leaders, before)}
    ours |= {p.pid: p for p in everybody if p.pid not in ours and carries(p.pid, markers)}
    grew = True
    while grew:
        younger = [one for one in everybody if one.pid not in ours and one.parent in ours]
        ours |= {one.pid: one for one in younger}
        grew = bool(younger)
    return list(ours.values())


def _belongs(one: Seen, leaders: Mapping[int, int], before: int) -> bool:
    for number in (one.pid, one.group, one.session):
        start = leaders.get(number)
        if start is None:
            continue
        leader = look(number)
        if one.pid == number or leader is not None:
            if leader is not None and leader.start == start:
                return True
        elif start <= one.start <= before:
            return True
    return False


def send(pid: int, start: int, number: int) -> bool:
    """Send a signal to the process of this pid and start; False if it is not there any more."""
    try:
        handle = os.pidfd_open(pid)
    except AttributeError:
        handle = None
    except OSError:
        return False
    try:
        seen = look(pid)
        if seen is None or seen.start != start:
            return False
        if handle is None:
            os.kill(pid, number)
        else:
            signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    else:
        return True
    finally:
        if handle is not None:
            os.close(handle)


def end_all(
    find: Callable[[], Iterable[Seen]], patience_s: float, ended: dict[int, int] | None = None
) -> bool:
    """SIGKILL until nobody is found twice in a row (someone may just be forking); False if some stay.

    Args:
        find: who shall end, looked up again and again.
        patience_s: for how long.
        ended: pid and start of everybody who was sent SIGKILL are put here.
    """
    until = time.monotonic() + patience_s
    quiet = 0
    while quiet < 2:
        found = list(find())
        for one in found:
            if send(one.pid, one.start, signal.SIGKILL) and ended is not None:
                ended[one.pid] = one.start
        quiet = 0 if found else quiet + 1
        if time.monotonic() > until:
            return False
        if quiet < 2:
            time.sleep(_POLL_S)
    return True
