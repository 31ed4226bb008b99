"""What an engineer's own tests hold in their hands."""

from __future__ import annotations

from harness.client.tls import Secured
from harness.runner.world import World
from harness.units import NS_PER_S, parse_duration_ns


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
