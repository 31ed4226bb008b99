"""What an engineer's own tests hold in their hands."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final, Literal, TypeVar

from harness.client.tls import Secured
from harness.errors import CouldNotRun, UsageError
from harness.history import Arrival
from harness.runner.world import World
from harness.script import HOLD, USUAL, Answer, Reach, Script, always
from harness.units import NS_PER_S, parse_duration_ns
from harness.witness.handle import Truth

_LOOK_S: Final = 0.01
_STEP_NS: Final = NS_PER_S // 10
Answered = TypeVar("Answered")


class TargetHandle:
    """The running target."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def host(self) -> str:
        """Address without port."""
        return self._world.target.host

    @property
    def port(self) -> int:
        """TCP port."""
        return self._world.target.port

    @property
    def url(self) -> str:
        """``http://HOST:PORT`` (or https), without a trailing slash."""
        scheme = "http" if self.secured is None else "https"
        return f"{scheme}://{self._world.composer.authority}"

    @property
    def secured(self) -> Secured | None:
        """How it speaks TLS: ``context`` and the ``name`` that its certificate is checked for."""
        return self._world.target.secured

    def output(self) -> str:
        """The last lines that the target printed."""
        return self._world.target.output()


class ClockHandle:
    """The target's clock. Calls made while it is frozen all happen at one instant."""

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def frozen(self) -> bool:
        """Whether it is held; if not, ``advance`` sleeps."""
        return self._world.time.mode == "frozen"

    @property
    def now_s(self) -> float:
        """Seconds on the target's monotonic clock."""
        return self._world.now_ns / NS_PER_S

    def advance(self, by: str) -> None:
        """Let the target's time pass, e.g. ``advance("61s")``; timers that fall due have run."""
        self._world.move_to(self._world.now_ns + parse_duration_ns(by))

    def run(self, call: Callable[[], Answered], *, most: str = "5min") -> Answered:
        """Make a call in a thread of its own, and let the target's time pass until it returns.

        For calls that end by a time-out or after a wait of the target's; time passes in steps of 0.1 s.

        Args:
            call: e.g. ``lambda: client.get("/")``.
            most: of the target's time that it may take.
        Returns:
            What the call returns; what it raises is raised here.
        Raises:
            CouldNotRun: it did not return in time.
        """
        end_ns = self._world.now_ns + parse_duration_ns(most)
        pool = ThreadPoolExecutor(1)
        try:
            made = pool.submit(call)
            while not made.done() and self._world.now_ns < end_ns:
                self._world.move_to(self._world.now_ns + _STEP_NS)
            if not made.done():
                raise CouldNotRun(f"the call did not return within {most} of the target's time")
            return made.result()
        finally:
            pool.shutdown(wait=False)


class WitnessHandle:
    """A scripted dependency of the contract, for one test: what it answers, holds and has seen.

    All of it is called from the test's own thread. What a test set is undone after it: the witness
    answers as usual again, also to whoever it still holds, and can be reached.

    Attributes:
        name: of the dependency.
    """

    def __init__(self, world: World, name: str) -> None:
        self.name: Final = name
        self._world = world
        self._since = len(self._all())
        self._before = self._counts()

    def __getitem__(self, name: str) -> WitnessHandle:
        """Another witness of the contract.

        Raises:
            UsageError: there is none of that name.
        """
        return self if name == self.name else witness_of(self._world, name)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``, as the target was told."""
        return self._world.witnesses.running[self.name].url

    # what it does

    def answer(self, answer: Answer | int) -> None:
        """From now on everybody is answered so; a number is a status (200: the usual answer).

        Raises:
            ValueError: the answer is impossible.
        """
        self.script(always(Answer(status=answer) if isinstance(answer, int) else answer))

    def hold(self) -> None:
        """From now on nobody is answered until `release`."""
        self.script(always(HOLD))

    def script(self, script: Script) -> None:
        """From now on it answers by these rules (`harness.script`); their counts begin anew.

        What is held stays held.

        Raises:
            ValueError: an answer of it is impossible.
        """
        self._world.witnesses.script(self.name, script)

    def release(
        self,
        answer: Answer | int = USUAL,
        *,
        times: int | None = None,
        order: Literal["oldest", "newest", "random"] = "oldest",
    ) -> None:
        """Answer requests that are held: ``times`` of them, None: all.

        Raises:
            ValueError: the answer is impossible.
        """
        said = Answer(status=answer) if isinstance(answer, int) else answer
        rng = self._world.seed.stream("witness", self.name)
        self._world.witnesses.release(
            self.name, said, times=times, order=order, numbers=None, rng=rng
        )

    def reach(self, how: Reach) -> None:
        """From now on connects to it are accepted (``open``), refused (``refuse``) or hang.

        ``black_hole`` lets them hang; connections that stand are not touched.
        """
        self._world.reach(self.name, how)

    # what it saw

    def arrivals(self) -> tuple[Arrival, ...]:
        """The requests that came since this test began, in their order, as they stand now."""
        return self._all()[self._since :]

    def held(self) -> tuple[Arrival, ...]:
        """Of these, those that are under way."""
        return tuple(one for one in self.arrivals() if one.state == "held")

    def await_arrivals(self, count: int, within_s: float = 10.0) -> tuple[Arrival, ...]:
        """Wait until so many requests have come in this test, for calls that another thread makes.

        Args:
            count: how many, at least.
            within_s: real seconds; the target's clock is left alone.
        Returns:
            All that have come.
        Raises:
            CouldNotRun: fewer came.
        """
        deadline_s = time.monotonic() + within_s
        while len(found := self.arrivals()) < count:
            if time.monotonic() > deadline_s:
                raise CouldNotRun(
                    f"{self.name}: {len(found)} of {count} requests came within {within_s:g} s; a held "
                    "clock stands still: a request that waits for a timer needs clock.advance"
                )
            time.sleep(_LOOK_S)
        return found

    def truth(self) -> Truth:
        """Sums since this test began: ``arrivals == answered + cut + held + gone``.

        What was held when it began and ended since is in none of them; ``open``, ``half_closed``
        and ``partial`` tell of now.
        """
        now, then = self._counts(), self._before
        return replace(
            now,
            arrivals=now.arrivals - then.arrivals,
            answered=now.answered - then.answered,
            cut=now.cut - then.cut,
            gone=now.gone - then.gone,
            connections=now.connections - then.connections,
            broken=now.broken - then.broken,
        )

    def _all(self) -> tuple[Arrival, ...]:
        seen = self._world.witnesses.arrivals()
        return tuple(one for one in seen if one.dependency == self.name)

    def _counts(self) -> Truth:
        return self._world.witnesses.running[self.name].truth()


def witness_of(world: World, name: str | None = None) -> WitnessHandle:
    """The witness of that name, else the first of the contract, which has one.

    Raises:
        UsageError: it has none of that name.
    """
    running = world.witnesses.running
    if name is not None and name not in running:
        raise UsageError(f"no witness is called {name!r}; there are {', '.join(running)}")
    return WitnessHandle(world, next(iter(running)) if name is None else name)
