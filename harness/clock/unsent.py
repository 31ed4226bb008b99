"""Bytes that the kernel holds back on TCP connections, asked through ``sock_diag``.

Nagle's algorithm, delayed acknowledgements and corks let everybody sleep while bytes are still to
be delivered, up to 200 real milliseconds later. Whoever then moves the clock makes time-outs that
were never due. (The queues in ``/proc/net/tcp`` do not tell: they count delivered bytes as well.)
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Unsent"]

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST_DUMP = 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
INFO = 2
"""The attribute with ``struct tcp_info``."""
STATES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11
"""Established, both FIN_WAITs, CLOSE_WAIT, LAST_ACK, CLOSING: whatever may have bytes to send."""
MESSAGE = struct.Struct("=IHHII")
CONNECTION = struct.Struct("=BBBB2s2s16s16s12xIIIII")
ATTRIBUTE = struct.Struct("=HH")
NOT_SENT_AT, WINDOW_AT = 144, 228
ZERO_WINDOW_PROBE = 4
REPLY_BYTES = 1 << 18

Ends = tuple[bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a connection, with bytes that were written and not yet sent."""

    ends: Ends
    inode: int


class Unsent:
    """Asks whether any connection of some processes still has bytes to deliver."""

    def __init__(self) -> None:
        """Open the question.

        Raises:
            OSError: the kernel or a sandbox does not answer it.
        """
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        try:
            self._held()
        except OSError:
            self._socket.close()
            raise

    def close(self) -> None:
        """Give back the socket."""
        self._socket.close()

    def of(self, pids: Iterable[int]) -> bool:
        """Whether bytes are held on a connection with an end in one of ``pids``."""
        held, ends = self._held()
        if not held:
            return False
        owned = inodes_of(pids)
        if owned is None:
            return True
        for connection in held:
            source, from_, target, to = connection.ends
            if {connection.inode, ends.get((target, to, source, from_), 0)} & owned:
                return True
        return False

    def _held(self) -> tuple[list[Connection], dict[Ends, int]]:
        held = []
        ends = {}
        for family in (socket.AF_INET, socket.AF_INET6):
            for body in self._dump(family):
                connection, is_held = parse(body)
                ends[connection.ends] = connection.inode
                if is_held:
                    held.append(connection)
        return held, ends

    def _dump(self, family: int) -> Iterator[memoryview]:
        body = struct.pack("=BBBBI48x", family, socket.IPPROTO_TCP, 1 << INFO - 1, 0, STATES)
        head = MESSAGE.pack(
            MESSAGE.size + len(body), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, family, 0
        )
        self._socket.sendto(head + body, (0, 0))
        while True:
            reply = memoryview(self._socket.recv(REPLY_BYTES))
            while reply:
                size, kind, *_ = MESSAGE.unpack_from(reply)
                if kind == NLMSG_DONE:
                    return
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", reply, MESSAGE.size)[0]
                    if family == socket.AF_INET6 and code in (errno.ENOENT, errno.EAFNOSUPPORT):
                        return
                    raise OSError(code, os.strerror(code))
                yield reply[MESSAGE.size : size]
                reply = reply[size + 3 & ~3 :]


def parse(body: memoryview) -> tuple[Connection, bool]:
    """One end of a connection, and whether the kernel will send more by itself.

    It will not where the reader's window is closed: then nothing moves until the reader reads.
    """
    _family, _state, timer, _, sport, dport, source, target, _, _, to_send, _, inode = (
        CONNECTION.unpack_from(body)
    )
    connection = Connection((source, sport, target, dport), inode)
    if not to_send:  # neither unsent nor unacknowledged
        return connection, False
    info = attribute(body[CONNECTION.size :], INFO)
    if info is None:
        return connection, True
    (not_sent,) = struct.unpack_from("=I", info, NOT_SENT_AT)
    is_closed = timer == ZERO_WINDOW_PROBE and info[WINDOW_AT : WINDOW_AT + 4] == bytes(4)
    return connection, bool(not_sent) and not is_closed


def attribute(attributes: memoryview, wanted: int) -> memoryview | None:
    """The value of one netlink attribute."""
    while len(attributes) >= ATTRIBUTE.size:
        size, kind = ATTRIBUTE.unpack_from(attributes)
        if kind == wanted:
            return attributes[ATTRIBUTE.size : size]
        attributes = attributes[size + 3 & ~3 :]
    return None


def inodes_of(pids: Iterable[int]) -> set[int] | None:
    """The sockets of some processes; None where we may not look."""
    inodes = set()
    for pid in pids:
        try:
            files = list(Path(f"/proc/{pid}/fd").iterdir())
            links = [read_link(file) for file in files]
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            return None
        inodes |= {int(match[1]) for link in links if (match := re.match(r"socket:\[(\d+)", link))}
    return inodes


def read_link(file: Path) -> str:
    """Where it points to; nowhere, once it has been closed."""
    try:
        return os.readlink(file)
    except FileNotFoundError:
        return ""
