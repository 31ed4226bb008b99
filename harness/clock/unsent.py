"""Bytes that are under way on TCP connections, asked of the kernel through ``sock_diag``.

Nagle's algorithm, delayed acknowledgements and corks let everybody sleep while bytes are still to
be delivered, up to 200 real milliseconds later. Whoever then moves the clock makes time-outs that
were never due. (The queues in ``/proc/net/tcp`` do not tell: they count delivered bytes as well.)
Where both ends are on this machine, bytes that one has sent and the other has not got are seen too: on
a busy machine loopback delivery may be put off, and a segment that was dropped comes again later.

Listing all connections costs a walk over the kernel's whole table, milliseconds where thousands are
in TIME_WAIT. So the list is taken once, and its members are asked by name, some microseconds each, as long as
no connection has been opened anywhere, or the processes on the path have the same sockets as before and
none of those was a TCP socket that could still connect.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Connection", "Unsent", "parse", "tcp_connections"]

NETLINK_SOCK_DIAG: Final = 4
SOCK_DIAG_BY_FAMILY: Final = 20
TCPDIAG_GETSOCK: Final = 18
"""The older question: it lists IPv4 and IPv6 in one walk over the table, where the newer needs two."""
NLM_F_REQUEST, DUMP = 0x1, 0x301
NLMSG_ERROR, NLMSG_DONE = 2, 3
INFO = 2
"""The attribute with ``struct tcp_info``."""
STATES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11
"""Established, both FIN_WAITs, CLOSE_WAIT, LAST_ACK, CLOSING: whatever may have bytes to send."""
LISTENING = 1 << 10
MESSAGE = struct.Struct("=IHHII")
LIST = struct.Struct("=BBBB48xII")  # family - - wants, any id, states -
UNIX_LIST = struct.Struct("=BxxxI16x")  # family, states
UNIX_CONNECTION = struct.Struct("=4xI8x")  # inode
REQUEST = struct.Struct("=BBBBI40sII")  # family protocol wants - states, id, any cookie
CONNECTION = struct.Struct("=BBBB40s8xIIIII")  # … timer -, id, expires unread unsent uid inode
ATTRIBUTE = struct.Struct("=HH")
RECEIVED_AT, NOT_SENT_AT, SENT_AT, RETRANSMITTED_AT, WINDOW_AT = 128, 144, 200, 208, 228
INFO_BYTES = 232
FAR = 1 << 64
ZERO_WINDOW_PROBE = 4
REPLY_BYTES = 1 << 18
ASK_AT_ONCE = 64

Ends = tuple[bytes, bytes]
"""Local and remote address with port, the same form for IPv4 and for IPv4 inside IPv6."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One end of a connection.

    Attributes:
        family: AF_INET or AF_INET6.
        identity: the kernel's own name for it.
        inode: of its socket; 0 before it is accepted and after it is closed.
        is_held: the kernel has bytes that it will send by itself, later.
        sent: bytes that have left this end, each counted once.
        received: bytes that have come to this end; ``FAR`` where the kernel does not tell, as of an
            end whose process was killed: whatever is sent there is under way to nobody.
    """

    family: int
    identity: bytes
    inode: int
    is_held: bool
    sent: int
    received: int

    def ends(self) -> Ends:
        """Where it goes from and to."""
        sport, dport, source, target = struct.unpack_from("=2s2s16s16s", self.identity)
        if self.family == socket.AF_INET:
            source, target = (bytes(10) + b"\xff\xff" + address[:4] for address in (source, target))
        return source + sport, target + dport

    @property
    def port(self) -> int:
        """Of this end."""
        return int.from_bytes(self.identity[:2], "big")

    @property
    def peer_port(self) -> int:
        """Of the other end."""
        return int.from_bytes(self.identity[2:4], "big")


class Unsent:
    """Asks whether any connection of some processes still has bytes to deliver."""

    def __init__(self) -> None:
        """Open the question.

        Raises:
            OSError: the kernel or a sandbox does not answer it.
        """
        self._counters = os.open("/proc/net/snmp", os.O_RDONLY | os.O_CLOEXEC)
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
        self._known: list[Connection] = []
        self._known_at: tuple[bytes, frozenset[int]] | None = None
        self._sockets: set[int] | None = None
        try:
            self._list(STATES)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Give back socket and file."""
        self._socket.close()
        os.close(self._counters)

    def of(self, pids: Iterable[int]) -> bool:
        """Whether bytes are held on a connection with an end in one of ``pids``, or in ourselves."""
        path = frozenset(pids) | {os.getpid()}
        at = (opened(os.pread(self._counters, 8192, 0)), path)
        if at == self._known_at or self._has_same_sockets(path):
            connections = self._ask(self._known)
        else:
            connections = self._list_relevant(path)
        self._known_at = at
        self._known = connections
        held = under_way(connections)
        return bool(held) and any_owned(held, connections, path)

    def _has_same_sockets(self, path: frozenset[int]) -> bool:
        if self._sockets is None or self._known_at is None or self._known_at[1] != path:
            return False
        return inodes_of(path) == self._sockets

    def _list_relevant(self, path: frozenset[int]) -> list[Connection]:
        sockets = inodes_of(path)
        connections = self._list(STATES)
        if sockets is None:
            return connections
        settled = {connection.inode for connection in connections}
        settled |= {listener.inode for listener in self._list(LISTENING)} | self._unix_inodes()
        settled.add(os.fstat(self._socket.fileno()).st_ino)
        self._sockets = sockets if sockets <= settled else None
        return relevant(connections, sockets)

    def _list(self, states: int) -> list[Connection]:
        return listed(self._socket, states)

    def _unix_inodes(self) -> set[int]:
        body = UNIX_LIST.pack(socket.AF_UNIX, 0xFFFFFFFF)
        try:
            replies = dump(self._socket, message(SOCK_DIAG_BY_FAMILY, body, DUMP))
        except OSError:
            return set()  # this kernel does not tell: then none of them is known
        return {UNIX_CONNECTION.unpack_from(reply)[0] for reply in replies}

    def _ask(self, connections: list[Connection]) -> list[Connection]:
        """The same connections as they are now, without those that are gone."""
        now = []
        for start in range(0, len(connections), ASK_AT_ONCE):
            part = connections[start : start + ASK_AT_ONCE]
            self._socket.sendto(b"".join(question(connection) for connection in part), (0, 0))
            asked = {connection.identity for connection in part}
            replies = 0
            while replies < len(part):
                for kind, reply in messages(self._socket.recv(REPLY_BYTES)):
                    replies += 1
                    if kind == NLMSG_ERROR:
                        if (code := error_code(reply)) != errno.ENOENT:
                            raise OSError(code, os.strerror(code))
                        continue
                    connection = parse(reply)
                    if connection.identity in asked:
                        now.append(connection)  # else: its listener, where it is gone itself
        return now


def tcp_connections(states: int) -> list[Connection]:
    """This machine's TCP connections in some states, one end each; a bit for each state.

    Raises:
        OSError: the kernel or a sandbox does not tell.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as asking:
        return listed(asking, states)


def listed(asking: socket.socket, states: int) -> list[Connection]:
    """The same, of a socket that asks."""
    body = LIST.pack(socket.AF_INET, 0, 0, 1 << INFO - 1, states, 0)
    return [parse(reply) for reply in dump(asking, message(TCPDIAG_GETSOCK, body, DUMP))]


def dump(asking: socket.socket, question: bytes) -> list[memoryview]:
    """All replies to a question."""
    asking.sendto(question, (0, 0))
    found: list[memoryview] = []
    while True:
        for kind, reply in messages(asking.recv(REPLY_BYTES)):
            if kind == NLMSG_DONE:
                return found
            if kind == NLMSG_ERROR:
                code = error_code(reply)
                raise OSError(code, os.strerror(code))
            found.append(reply)


def message(kind: int, body: bytes, flags: int) -> bytes:
    """A netlink message to ``sock_diag``."""
    return MESSAGE.pack(MESSAGE.size + len(body), kind, flags, 0, 0) + body


def question(connection: Connection) -> bytes:
    """Asks for one connection."""
    any_cookie = 0xFFFFFFFF
    body = REQUEST.pack(
        connection.family,
        socket.IPPROTO_TCP,
        1 << INFO - 1,
        0,
        STATES,
        connection.identity,
        any_cookie,
        any_cookie,
    )
    return message(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST)


def messages(reply: bytes) -> Iterator[tuple[int, memoryview]]:
    """The messages of one datagram: kind and body."""
    rest = memoryview(reply)
    while rest:
        size, kind, *_ = MESSAGE.unpack_from(rest)
        yield kind, rest[MESSAGE.size : size]
        rest = rest[size + 3 & ~3 :]


def error_code(body: memoryview) -> int:
    """The errno of an error message."""
    return -int(struct.unpack_from("=i", body)[0])


def parse(body: memoryview) -> Connection:
    """One end of a connection, from the kernel's answer.

    No bytes are held where the reader's window is closed: then nothing moves until the reader reads.
    """
    family, _state, timer, _, identity, _, _unread, to_send, _, inode = CONNECTION.unpack_from(body)
    info = attribute(body[CONNECTION.size :], INFO)
    if info is None or len(info) < INFO_BYTES:  # an old kernel, or a connection without a socket
        return Connection(family, identity, inode, is_held=bool(to_send), sent=0, received=FAR)
    (received,) = struct.unpack_from("=Q", info, RECEIVED_AT)
    (not_sent,) = struct.unpack_from("=I", info, NOT_SENT_AT)
    sent, retransmitted = struct.unpack_from("=QQ", info, SENT_AT)
    is_closed = timer == ZERO_WINDOW_PROBE and info[WINDOW_AT : WINDOW_AT + 4] == bytes(4)
    is_held = bool(not_sent) and not is_closed
    return Connection(family, identity, inode, is_held, sent - retransmitted, received)


def under_way(connections: list[Connection]) -> list[Connection]:
    """Those whose bytes the kernel holds, or that the other end, where we see it, has not got."""
    known = [(connection, connection.ends()) for connection in connections]
    received = {ends[::-1]: connection.received for connection, ends in known}
    return [
        connection
        for connection, ends in known
        if connection.is_held or connection.sent > received.get(ends, FAR)
    ]


def attribute(attributes: memoryview, wanted: int) -> memoryview | None:
    """The value of one netlink attribute."""
    while len(attributes) >= ATTRIBUTE.size:
        size, kind = ATTRIBUTE.unpack_from(attributes)
        if kind == wanted:
            return attributes[ATTRIBUTE.size : size]
        attributes = attributes[size + 3 & ~3 :]
    return None


def opened(counters: bytes) -> bytes:
    """How many TCP connections have been opened, actively and passively, as text."""
    values = counters[counters.rindex(b"\nTcp: ") :].split(maxsplit=7)
    return b" ".join(values[5:7])


def relevant(connections: list[Connection], sockets: set[int]) -> list[Connection]:
    """Those with an end among ``sockets``, or in one that nobody has accepted yet."""
    ends = {end.ends() for end in connections if end.inode in sockets or not end.inode}
    return [end for end in connections if end.ends() in ends or end.ends()[::-1] in ends]


def any_owned(held: list[Connection], known: list[Connection], pids: frozenset[int]) -> bool:
    """Whether an end of a held connection is in one of ``pids``, or we may not look."""
    owned = inodes_of(pids)
    if owned is None:
        return True
    inodes = {connection.ends(): connection.inode for connection in known}
    return any(end.inode in owned or inodes.get(end.ends()[::-1], 0) in owned for end in held)


def inodes_of(pids: Iterable[int]) -> set[int] | None:
    """The sockets of some processes; None where we may not look."""
    inodes = set()
    for pid in pids:
        try:
            with os.scandir(f"/proc/{pid}/fd") as files:
                links = [link_of(file.path) for file in files]
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            return None
        inodes |= {int(match[1]) for link in links if (match := re.match(r"socket:\[(\d+)", link))}
    return inodes


def link_of(file: str) -> str:
    """Where it points to; nowhere, once it has been closed."""
    try:
        return os.readlink(file)  # noqa: PTH115 - a path object takes three times as long
    except FileNotFoundError:
        return ""
