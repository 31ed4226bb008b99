"""Upstreams by name and by number; and one loop that never waits for either."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from queue import SimpleQueue
from threading import Thread
from typing import Any

import pytest

from harness.loop import Loop
from harness.proxy.dial import Dial, Resolver, numeric, split

PATIENCE_S = 20.0


@pytest.fixture
def loop() -> Iterator[Loop]:
    """One that runs in a thread of its own."""
    with closing(Loop()) as loop:
        thread = Thread(target=loop.run)
        thread.start()
        yield loop
        loop.hand_in(loop.stop)
        thread.join(PATIENCE_S)


def told(loop: Loop, ask: Callable[[Callable[[Any], None]], object]) -> Any:
    """What the loop is told."""
    answers: SimpleQueue[Any] = SimpleQueue()
    loop.hand_in(lambda: ask(answers.put) and None)
    return answers.get(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("127.0.0.1:80", ("127.0.0.1", "80")),
        ("[::1]:80", ("::1", "80")),
        ("redis:6379", ("redis", "6379")),
        (":80", ("localhost", "80")),
    ],
)
def test_split(address: str, found: tuple[str, str]) -> None:
    """Host and port."""
    assert split(address) == found


@pytest.mark.parametrize(
    ("address", "wrong"), [("redis", "missing port"), ("::1:80", "too many colons")]
)
def test_no_address(address: str, wrong: str) -> None:
    """As Toxiproxy says it."""
    with pytest.raises(OSError, match=wrong):
        split(address)


def test_numbers_are_not_looked_up() -> None:
    """Nor is this machine."""
    assert numeric("::1", "80") == [(socket.AF_INET6, ("::1", 80))]
    assert numeric("redis", "80") is None
    assert numeric("127.0.0.1", "http") is None
    assert numeric("127.0.0.1", "65536") is None


def test_names_are_looked_up_elsewhere(loop: Loop) -> None:
    """A name that this machine knows is found; one that cannot be is said to be wrong."""
    resolver = Resolver(loop)
    found = told(loop, lambda then: resolver.ask("localhost", "80", then))
    assert (socket.AF_INET, ("127.0.0.1", 80)) in found
    wrong = told(loop, lambda then: resolver.ask("long" * 20, "80", then))
    assert isinstance(wrong, OSError)
    resolver.close()


def test_addresses_are_tried_in_turn(loop: Loop) -> None:
    """The first that answers; where none does, the last error."""
    with (
        socket.create_server(("127.0.0.1", 0)) as there,
        socket.create_server(("127.0.0.1", 0)) as gone,
    ):
        open_port, closed_port = there.getsockname()[1], gone.getsockname()[1]
        gone.close()
        closed = (socket.AF_INET, ("127.0.0.1", closed_port))
        reached = (socket.AF_INET, ("127.0.0.1", open_port))
        made = told(loop, lambda then: Dial(loop, [closed, reached], then))
        assert made.getpeername() == ("127.0.0.1", open_port)
        made.close()
        assert isinstance(
            told(loop, lambda then: Dial(loop, [closed], then)), ConnectionRefusedError
        )
        assert isinstance(told(loop, lambda then: Dial(loop, [], then)), OSError)


def test_timers_in_order_and_not_early(loop: Loop) -> None:
    """Each at its own moment; one that was called off is not told."""
    order: list[str] = []

    def arm(then: Callable[[Any], None]) -> None:
        now_ns = loop.now_ns()
        loop.at(now_ns + 3_000_000, lambda: then((order, loop.now_ns() - now_ns)))
        loop.at(now_ns + 2_000_000, lambda: order.append("second"))
        loop.at(now_ns + 1_500_000, lambda: order.append("never")).cancel()
        loop.at(now_ns + 1_000_000, lambda: order.append("first"))

    assert told(loop, arm)[0] == ["first", "second"]
    assert told(loop, arm)[1] >= 3_000_000
