"""The runner's handle on a witness: a scripted HTTP dependency in a process of its own."""

from __future__ import annotations

import select
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from harness.errors import CouldNotRun
from harness.script import USUAL, Answer, Reach, Script, Usual
from harness.targets.ports import connect_error, free_port
from harness.witness.channel import CONTROL, Channel, Refused, accepted, listening
from harness.witness.protocol import arrival_from, check_answer, check_headers, script_to
from harness.witness.reaching import count

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from random import Random

    from harness.history import Arrival
    from harness.supervisor import Process, Supervisor

__all__ = ["Truth", "Witness"]

_HOST: Final = "127.0.0.1"
_ROOT: Final = str(Path(__file__).parents[2])
_PROGRAM: Final = (  # this very package, also where another one is installed
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from harness.witness.__main__ import main; main(*sys.argv[1:])"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a witness has counted; at any moment ``arrivals == answered + cut + held + gone``.

    Attributes:
        arrivals: requests that were whole.
        answered, cut, held, gone: as :class:`harness.history.Arrival` says.
        connections: that have ever sent anything.
        open: that stand now, silent ones included.
        half_closed: of these, those whose client sends no more and still reads.
        partial: requests that have begun and are not whole yet.
        broken: requests that never became whole: their client left, or they were no HTTP or too
            large.
    """

    arrivals: int
    answered: int
    cut: int
    held: int
    gone: int
    connections: int
    open: int
    half_closed: int
    partial: int
    broken: int


class Witness:
    """A scripted HTTP dependency on a free loopback port that it keeps as long as it lives.

    Each call returns when the witness has done it. All of them belong to one thread.

    Args:
        supervisor: owns its process.
        name: of the dependency.
        env: added to :meth:`Supervisor.environment`; carries the held clock.
        usual: what it answers where the script says nothing else.
    Raises:
        ValueError: a usual answer is impossible.

    >>> from harness.script import Rule, always
    >>> from harness.supervisor import Supervisor
    >>> import httpx
    >>> with Supervisor() as supervisor:
    ...     search = Witness(supervisor, "search", {})
    ...     search.start()
    ...     search.script((Rule(answers=(Answer(status=503),), then=USUAL),))
    ...     statuses = [httpx.get(f"{search.url}/find?q=a").status_code for _ in range(3)]
    ...     seen = [(one.number, one.path, one.state) for one in search.arrivals()]
    >>> statuses, seen[0]
    ([503, 200, 200], (1, '/find?q=a', 'answered'))
    """

    kind: Final = "witness"

    def __init__(
        self,
        supervisor: Supervisor,
        name: str,
        env: Mapping[str, str],
        *,
        usual: Collection[Usual] = (),
    ) -> None:
        for one in usual:
            check_headers(one.status, one.headers, one.content_type)
        self.name: Final = name
        self.port = free_port()
        self._supervisor = supervisor
        self._env = supervisor.environment() | dict(env)
        self._usual = tuple(usual)
        self._process: Process | None = None
        self._channel: Channel | None = None
        self._arrivals: dict[int, Arrival] = {}

    # life-cycle, as that of a service

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{_HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process while it lives, else None."""
        return self._process.pid if self._process is not None and self._process.alive() else None

    def pids(self) -> list[int]:
        """Its process; empty while it does not run."""
        return [] if self.pid is None else [self.pid]

    def start(self) -> None:
        """Start it with no script and no arrivals; returns when it listens.

        Raises:
            CouldNotRun: it does not, with its output.
        """
        self.kill()
        if not hasattr(select, "epoll"):
            raise CouldNotRun(f"{self.name}: a witness needs Linux (epoll), this is {sys.platform}")
        self._arrivals.clear()
        directory = self._supervisor.fresh_directory("witness")
        with listening(directory) as listener:
            self._process = self._supervisor.start(
                [sys.executable, "-P", "-c", _PROGRAM, _ROOT, CONTROL],
                name=self.name,
                env=self._env,
                cwd=directory,
            )
            self._channel = accepted(listener, self._process.alive)
        if self._channel is None:
            self.kill()
            raise CouldNotRun(f"{self.name} (a witness) did not start", self.output())
        self._process.on_end = _both(self._channel.close, self._process.on_end)
        try:
            self._ask("open", port=self.port, usual=[asdict(one) for one in self._usual])
        except CouldNotRun:
            self.kill()
            raise

    def stop(self) -> None:
        """End it; its connections are closed. Idempotent."""
        self._end(grace_s=2.0)

    def kill(self) -> None:
        """SIGKILL; idempotent."""
        self._end(grace_s=0.0)

    def restart(self, *, keep_data: bool) -> None:  # noqa: ARG002 (it has no data)
        """SIGKILL and start on the same port, with no script and no arrivals."""
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connects complete, and nobody answers. No other call but ``resume`` works then."""
        self._running().pause()

    def resume(self) -> None:
        """SIGCONT."""
        self._running().resume()

    def probe(self) -> bool:
        """Whether it runs and connects to it complete."""
        return self.pid is not None and connect_error(_HOST, self.port) is None

    def cut(self, *, keep_data: bool = False) -> int:  # noqa: ARG002 (it has no data)
        """Refuse connects: :meth:`reach` for whoever has only a service in hand."""
        return self.reach("refuse")

    def heal(self) -> None:
        """Undo :meth:`cut`."""
        self.reach("open")

    def output(self) -> str:
        """Its last lines."""
        return "" if self._process is None else self._process.output()

    # what it does with requests

    def script(self, script: Script) -> None:
        """From now on by these rules; their counts begin anew. What is held stays held.

        Raises:
            ValueError: an answer of it is impossible.
        """
        self._ask("script", script=script_to(script))

    def release(
        self,
        answer: Answer = USUAL,
        *,
        times: int | None = None,
        order: Literal["oldest", "newest", "random"] = "oldest",
        numbers: Collection[int] | None = None,
        rng: Random | None = None,
    ) -> list[int]:
        """Answer requests that the script holds; spans of ``answer`` count from now.

        Args:
            answer: to each of them.
            times: how many; None: all.
            order: which come first.
            numbers: only these arrivals; None: any.
            rng: for the order ``random``.
        Returns:
            The numbers of the arrivals, in the order in which they are answered.
        Raises:
            ValueError: the answer holds again or is impossible, or there is no ``rng``.
        """
        if answer.hold:
            raise ValueError("a release answers: its answer cannot hold")
        check_answer(answer)
        held = [one for one in self.held() if numbers is None or one in numbers]
        if order == "newest":
            held.reverse()
        elif order == "random":
            if rng is None:
                raise ValueError("order 'random' needs an rng")
            rng.shuffle(held)
        chosen = held[:times]
        return list(self._ask("release", numbers=chosen, answer=asdict(answer)) if chosen else [])

    def held(self) -> list[int]:
        """The arrivals that the script holds and nobody has released, the oldest first."""
        return list(self._ask("held"))

    def reach(self, how: Reach) -> int:
        """From now on connects fare so; connections that stand are not touched.

        A connect that hangs in a black hole may complete up to some real seconds after ``open``, when
        its kernel tries again.

        Returns:
            How many connects of ours fared so, at least 1.
        Raises:
            CouldNotRun: none did.
        """
        self._ask("reach", how=how)
        counted = count(how, self.port)
        if not counted:
            raise CouldNotRun(f"{self.name}: no connect to port {self.port} fared as {how!r} says")
        return counted

    # what it saw

    def arrivals(self) -> tuple[Arrival, ...]:
        """All so far with their present state, in the order of their numbers."""
        for row in self._ask("news"):
            arrival = arrival_from(self.name, row)
            self._arrivals[arrival.number] = arrival
        return tuple(self._arrivals.values())

    def truth(self) -> Truth:
        """The sums."""
        return Truth(**self._ask("truth"))

    def forget(self) -> None:
        """Those that have ended are no more among :meth:`arrivals`; numbers and sums go on."""
        held = [one for one in self.arrivals() if one.state == "held"]
        self._arrivals = {one.number: one for one in held}

    # how

    def _running(self) -> Process:
        if self._process is None or not self._process.alive():
            raise CouldNotRun(f"{self.name} does not run", self.output())
        return self._process

    def _end(self, grace_s: float) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.stop(grace_s)

    def _ask(self, do: str, **words: Any) -> Any:
        """What the witness answers."""
        self._running()
        assert self._channel is not None
        try:
            return self._channel.ask(do, **words)
        except Refused as error:
            raise CouldNotRun(f"{self.name} (a witness) could not {do}: {error}") from error
        except OSError as error:
            self.kill()
            raise CouldNotRun(
                f"{self.name} (a witness) did not answer {do!r}: {error}", self.output()
            ) from error


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        first()
        second()

    return run
