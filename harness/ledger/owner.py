"""Who a run belongs to, named so that nobody else can be taken for it; and words of a line."""

from __future__ import annotations

import os

from harness.living import find, look

NOBODY = "-"
OWNER_MARKER = "STORMPROOF_OWNER"


def word(text: str) -> str:
    r"""Text as one word of plain ASCII.

    >>> word("a b\n\xf6"), unword(word("a b\n\xf6"))
    ('a\\x20b\\n\\xf6', 'a b\nö')
    """
    return text.encode("unicode_escape").decode("ascii").replace(" ", "\\x20")


def unword(text: str) -> str:
    """What :func:`word` was given."""
    return text.encode("ascii", "replace").decode("unicode_escape", "replace")


class Owner:
    """A process that owns a run, named so that nobody else can be taken for it.

    Attributes:
        pid: its number.
        start: its start in ticks since boot.
        place: where these two mean something: boot id and the namespaces of process numbers and of time.
        machine: the machine's name: another boot id is an earlier boot only if this is the same.
    """

    __slots__ = ("machine", "pid", "place", "start")

    def __init__(self, pid: int, start: int, place: str, machine: str) -> None:
        self.pid = pid
        self.start = start
        self.place = place
        self.machine = machine

    def __str__(self) -> str:
        """As in the first line of a ledger, in ``STORMPROOF_OWNER`` and in a folder's ``.owner``."""
        return f"{self.pid}:{self.start}:{self.place}:{word(self.machine)}"

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """The owner of that text; None if it is not one."""
        words = text.split(":")
        if len(words) < 6 or not (words[0].isdigit() and words[1].isdigit()):
            return None
        return cls(int(words[0]), int(words[1]), ":".join(words[2:5]), unword(":".join(words[5:])))

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        seen = look(os.getpid())
        return cls(os.getpid(), 0 if seen is None else seen.start, here(), os.uname().nodename)

    def lives(self) -> bool:
        """Whether it lives, where its number means something; a process that is stopped lives."""
        return self.place == here() and find(self.pid, self.start) is not None


def here() -> str:
    """Where a process number and a start mean something: boot id, and our namespaces of both."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
            boot = file.read().strip()
    except OSError:
        boot = NOBODY
    return f"{boot}:{_namespace('pid')}:{_namespace('time')}"


def _namespace(kind: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{kind}").partition("[")[2].rstrip("]") or NOBODY  # noqa: PTH115
    except OSError:
        return NOBODY
