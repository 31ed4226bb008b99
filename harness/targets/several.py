"""Several processes that are one service: started in order, ended together, one of them is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.client.tls import Secured
    from harness.targets.process import ProcessTarget


class SeveralProcesses:
    """Processes under our supervisor, each ready before the next one starts.

    Args:
        parts: in the order of their start.
        called: the one of them that answers the calls.
        prepare: what has to be done before any of them starts; it may raise CouldNotRun.
    """

    def __init__(
        self,
        parts: Sequence[ProcessTarget],
        called: ProcessTarget,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._parts: Final = tuple(parts)
        self._called: Final = called
        self._prepare = prepare

    @property
    def host(self) -> str:
        """Address of the process that is called."""
        return self._called.host

    @property
    def port(self) -> int:
        """Port of the process that is called."""
        return self._called.port

    @property
    def pid(self) -> int | None:
        """The process that is called, while it lives."""
        return self._called.pid

    @property
    def secured(self) -> Secured | None:
        """How the process that is called speaks TLS."""
        return self._called.secured

    def parts(self) -> tuple[ProcessTarget, ...]:
        """Its processes."""
        return self._parts

    def start(self, *, fresh: bool = True) -> None:
        """Start one after another; where one fails, none is left.

        Args:
            fresh: prepare first.
        Raises:
            CouldNotRun: one did not become ready, or ended meanwhile; it is named.
        """
        self.stop()
        if fresh:
            self._prepare()
        try:
            for part in self._parts:
                part.start(fresh=fresh)
            self.check_alive()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all, the youngest first; idempotent."""
        for part in reversed(self._parts):
            part.stop()

    def kill(self) -> None:
        """SIGKILL for all of them, the youngest first; idempotent."""
        for part in reversed(self._parts):
            part.kill()

    def alive(self) -> bool:
        """Whether none of them has ended."""
        return all(part.alive() for part in self._parts)

    def check_alive(self) -> None:
        """Raise CouldNotRun, naming the first that has ended, with its last output."""
        for part in self._parts:
            part.check_alive()

    def output(self) -> str:
        """The last lines of each, under its name."""
        said = ((part.name, part.output()) for part in self._parts)
        return "\n".join(f"[{name}]\n{lines}" for name, lines in said if lines)
