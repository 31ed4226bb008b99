"""Ends what a run started when the run itself can do it no more, however it died.

Started as a script (``python -S -E -I reaper.py RUN_ID OWNER_PID OWNER_START``) so that it is up
in a few milliseconds; therefore it imports the standard library only, and little of that. It reads
*entries* from its standard input, one a line. When the input ends, or the owner dies while somebody
else still holds the other end, it kills and removes what is registered:

    group PID START         a process that leads its own session, with all that came from it
    process PID START       this one process
    directory INODE PATH    a private directory (PATH with ``unicode_escape``)
    forget ENTRY            strikes off an entry
    done                    the owner cleaned up by itself: end, and touch nothing

START is field 22 of ``/proc/PID/stat`` (ticks since boot). It stands for the identity of a process:
a pid that was given to somebody else has another START, and is left alone. A process is killed if
it is registered, belongs to the group, session or descendants of a registered group, or carries the
run's marker in its environment, wherever it moved.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # typing itself is too slow to import here; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

RUN_MARKER = "STORMPROOF_RUN"
_SWEEP_S = 10.0
_READ_BYTES = 65_536


class Seen:
    """A living process, as ``/proc/PID/stat`` shows it; ``start`` in ticks since boot."""

    __slots__ = ("group", "parent", "pid", "session", "start", "state")

    def __init__(self, pid: int, stat: str) -> None:
        fields = stat[stat.rindex(")") + 2 :].split()
        self.pid = pid
        self.state = fields[0]
        self.parent, self.group, self.session = (int(field) for field in fields[1:4])
        self.start = int(fields[19])


def look(pid: int) -> Seen | None:
    """The process of that number, a dead one that nobody waited for included; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return Seen(pid, file.read())
    except (OSError, ValueError):
        return None


def everyone() -> list[Seen]:
    """Every process that this user can see and that is not dead."""
    try:
        names = os.listdir("/proc")  # noqa: PTH208
    except OSError:
        return []
    seen = (look(int(name)) for name in names if name.isdigit())
    return [one for one in seen if one is not None and one.state not in "ZX"]


def carries(pid: int, markers: Collection[str]) -> bool:
    """Whether the environment that the process was started with holds all these ``NAME=value``."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            held = file.read().split(b"\0")
    except OSError:
        return False
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


def end_all(find: Callable[[], Iterable[Seen]], patience_s: float) -> bool:
    """SIGKILL until nobody is found twice in a row (someone may just be forking); False if some stay."""
    until = time.monotonic() + patience_s
    quiet = 0
    while quiet < 2:
        found = list(find())
        for one in found:
            send(one.pid, one.start, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        if time.monotonic() > until:
            return False
        if quiet < 2:
            time.sleep(0.005)
    return True


def remove(path: str, inode: int) -> None:
    """Remove a directory of ours with all it holds; one that was replaced meanwhile is left alone."""
    import shutil  # noqa: PLC0415 (slow, and needed only at the very end)

    for _ in range(3):
        try:
            found = os.lstat(path)
        except OSError:
            return
        if found.st_ino != inode or found.st_uid != os.geteuid():
            return
        _open_up(path)
        shutil.rmtree(path, ignore_errors=True)


def _open_up(path: str) -> None:
    """Let us into all folders, as somebody may have forbidden it; links are not followed."""
    folders = [path]
    while folders:
        folder = folders.pop()
        try:
            os.chmod(folder, 0o700)  # noqa: PTH101
            folders += [e.path for e in os.scandir(folder) if e.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def directory_entry(path: str) -> str:
    """The entry that registers an existing directory."""
    return f"directory {os.lstat(path).st_ino} {path.encode('unicode_escape').decode('ascii')}"


def process_entry(kind: str, pid: int) -> str | None:
    """The entry that registers a living process; None if it is gone, or the system has no ``/proc``."""
    seen = look(pid)
    return None if seen is None else f"{kind} {pid} {seen.start}"


def sweep(run_id: str, entries: Collection[str], before: int) -> None:
    """Kill and remove everything that is registered, or that carries the run's marker."""
    rows = [entry.split(" ", 2) for entry in entries]
    numbers = {kind: {int(r[1]): int(r[2]) for r in rows if r[0] == kind} for kind in _PROCESSES}

    def find() -> Iterable[Seen]:
        yield from family(numbers["group"], [f"{RUN_MARKER}={run_id}"], before)
        for pid, start in numbers["process"].items():
            seen = look(pid)
            if seen is not None and seen.start == start and seen.state not in "ZX":
                yield seen

    end_all(find, _SWEEP_S)
    for kind, inode, path in (row for row in rows if row[0] == "directory"):
        del kind
        remove(path.encode("ascii").decode("unicode_escape"), int(inode))


_PROCESSES = ("group", "process")


def _well_formed(entry: str) -> bool:
    kind, _, rest = entry.partition(" ")
    first, _, second = rest.partition(" ")
    if kind == "directory":
        return first.isdigit() and bool(second)
    return kind in _PROCESSES and first.isdigit() and second.isdigit()


def read_entries(text: str) -> tuple[dict[str, None], bool]:
    """What is registered after these lines, in order, and whether the owner is done.

    A last line that was cut off is ignored, and so is any line that makes no sense.
    """
    entries: dict[str, None] = {}
    for line in text.split("\n")[:-1]:
        if line == "done":
            return entries, True
        if line.startswith("forget "):
            entries.pop(line.removeprefix("forget "), None)
        elif _well_formed(line):
            entries[line] = None
    return entries, False


def _listen(owner: int, owner_start: int) -> str:
    """Everything that the owner wrote until it closed its end or died."""
    poller = select.poll()
    poller.register(0, select.POLLIN)
    try:
        handle = os.pidfd_open(owner)
    except (AttributeError, OSError):
        pass  # no such call here, or dead already: its end of the pipe says so as well
    else:
        seen = look(owner)
        if seen is not None and seen.start == owner_start:
            poller.register(handle, select.POLLIN)
    told = bytearray()
    while True:
        ready = [number for number, _ in poller.poll()]
        if 0 not in ready:
            break
        chunk = os.read(0, _READ_BYTES)
        if not chunk:
            break
        told += chunk
    return told.decode("ascii", "replace")


def main(run_id: str, owner: int, owner_start: int) -> None:
    """Wait for the owner's end; then clean up unless it said that it is done."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    entries, done = read_entries(_listen(owner, owner_start))
    if not done:
        sweep(run_id, entries, ticks_now())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
