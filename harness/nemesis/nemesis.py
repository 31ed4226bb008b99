"""Injects faults and lifts them: written down before they act, seen, and undone in reverse order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from harness.errors import HarnessError, InvalidFault
from harness.faults.process import (
    TARGET,
    ClockStepped,
    DescriptorsExhausted,
    DiskFull,
    Fault,
    MemoryLimited,
    ProcessKilled,
    ProcessPaused,
)
from harness.nemesis.effect import Effect, NotInEffect, Refused, UndoFailed
from harness.nemesis.looks import leaves
from harness.nemesis.support import refusal
from harness.nemesis.works import Work, work_of
from harness.nemesis.written import Written, again
from harness.units import UnitError, parse_duration_ns, parse_size_bytes

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from harness.nemesis.scene import Scene, Subject


_ENDS_S: Final = 5.0
_POLL_S: Final = 0.005


@dataclass(slots=True, kw_only=True)
class Injected:
    """A fault that was injected.

    Attributes:
        name: what a plan calls it.
        fault: what is done to whom.
        effect: what was seen when it began.
        ended: what was seen over its time, once it is lifted; None until then.
        data_kept: the subject holds what it held before, once it is lifted.
        restarted: the subject's processes are others than before, once it is lifted.
    """

    name: str
    fault: Fault
    effect: Effect
    ended: Effect | None = None
    data_kept: bool = True
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class _Lasting:
    """A fault in force, and what undoes it."""

    injected: Injected
    subject: Subject
    work: Work
    written: Written


def _nothing(_: Injected) -> None:
    return


class Nemesis:
    """Hurts the processes of one world, and only those that it started.

    Args:
        scene: the world.
        began, ended: told of each fault, once its effect was seen, and once it is undone.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        began: Callable[[Injected], None] = _nothing,
        ended: Callable[[Injected], None] = _nothing,
    ) -> None:
        self._scene = scene
        self._began = began
        self._ended = ended
        self._lasting: Final[list[_Lasting]] = []

    @property
    def in_force(self) -> tuple[Injected, ...]:
        """The faults that last now, the oldest first."""
        return tuple(one.injected for one in self._lasting)

    # -- one fault ---------------------------------------------------------------------------------

    @contextmanager
    def inject(self, fault: Fault) -> Iterator[Injected]:
        """Let a fault last as long as a block runs.

        Raises:
            Refused: this system or subject cannot be hurt so.
            NotInEffect: what it should do was not seen, when it began or over its time.
            UndoFailed: something stays.
        """
        injected = self.begin(fault)
        try:
            yield injected
        except BaseException as error:
            self._end_after(injected, error)
            raise
        self.end(injected)
        if injected.ended is not None and injected.ended.doubt is not None:
            raise NotInEffect(injected.ended.doubt)

    def begin(self, fault: Fault, name: str = "") -> Injected:
        """Inject a fault and see that it is in effect; it lasts until `end`.

        Raises:
            Refused, NotInEffect, UndoFailed: as `inject`.
            CouldNotRun: it could not be carried out; what was done of it is undone.
        """
        self.check(fault)
        subject = self._scene.subject(fault.subject)
        self._check_others(fault)
        written = Written(self._scene.ledger, self._scene.run_id)
        work = work_of(fault, subject, written, self._scene)
        try:
            effect = work.begin()
        except (HarnessError, OSError):
            work.undo()
            raise
        if effect.doubt is not None:
            work.undo()
            raise NotInEffect(effect.doubt)
        injected = Injected(name=name, fault=fault, effect=effect)
        self._lasting.append(_Lasting(injected, subject, work, written))
        self._began(injected)
        return injected

    def end(self, injected: Injected) -> Injected:
        """Lift a fault; `Injected.ended` says what was seen of it. One that is lifted stays so.

        Raises:
            UndoFailed: something stays; the text says what.
        """
        lasting = next((one for one in self._lasting if one.injected is injected), None)
        if lasting is None:
            return injected
        self._lasting.remove(lasting)
        is_kill = isinstance(injected.fault, ProcessKilled)
        subject = lasting.subject
        _await_ends(subject)
        died = not is_kill and not subject.alive()
        effect = lasting.work.end()
        if died:
            again(
                lambda: subject.revive(keep_data=True),
                f"{subject.said} ended of it, and cannot be started again",
                f"nothing is left of it; start the run anew once {subject.said} starts",
            )
        injected.restarted = is_kill or died
        keeps = isinstance(injected.fault, ProcessKilled) and injected.fault.keep_data
        injected.data_kept = keeps if is_kill else not died
        injected.ended = effect
        self._ended(injected)
        return injected

    def named(self, name: str) -> Injected | None:
        """The youngest fault in force that a plan calls so."""
        return next((one for one in reversed(self.in_force) if one.name == name), None)

    def end_all(self) -> list[Injected]:
        """Lift all that last, the youngest first; where one fails the others are lifted all the same.

        Raises:
            UndoFailed: of the first that failed, with what is said of the others.
        """
        ended: list[Injected] = []
        failed: list[UndoFailed] = []
        while self._lasting:
            try:
                ended.append(self.end(self._lasting[-1].injected))
            except UndoFailed as error:
                failed.append(error)
        if failed:
            said = "; ".join(error.reason for error in failed)
            raise UndoFailed(said, failed[0].output) from failed[0]
        return ended

    def release(self) -> None:
        """All subjects are about to be ended: let them, as far as that needs anything."""
        for one in reversed(self._lasting):
            with suppress(HarnessError):
                one.written.undo()

    def forget(self) -> None:
        """All subjects are gone, and what was done to them with them."""
        for one in reversed(self._lasting):
            one.written.strike()
        self._lasting.clear()

    def check(self, fault: Fault) -> None:
        """See that this system would let us inject it, and that there is whom it befalls.

        Raises:
            Refused: it would not, or there is not.
        """
        subject = self._scene.subject(fault.subject)
        if isinstance(fault, DiskFull):
            subject.place(fault.folder)
        reason = refusal(fault)
        if isinstance(fault, ClockStepped) and self._scene.clock is None:
            reason = (
                "the service's clock is not held, and the machine's own is not ours to set; a held clock "
                "would settle it (`stormproof doctor` says what it lacks)"
            )
        if reason is not None:
            raise Refused(f"{type(fault).__name__} cannot be injected: {reason}")

    # -- in words ----------------------------------------------------------------------------------

    def paused(self, subject: str) -> AbstractContextManager[Injected]:
        """``target`` or a store stands still."""
        return self.inject(ProcessPaused(subject))

    def killed(self, subject: str, *, keep_data: bool = False) -> AbstractContextManager[Injected]:
        """``target`` or a store is gone, and comes back on the same port."""
        return self.inject(ProcessKilled(subject, keep_data))

    def out_of_descriptors(
        self, subject: str, *, spare: int = 0
    ) -> AbstractContextManager[Injected]:
        """``target`` or a store may open ``spare`` descriptors more than it has."""
        return self.inject(DescriptorsExhausted(subject, spare))

    def short_of_memory(
        self, subject: str, *, headroom: str = "16MiB"
    ) -> AbstractContextManager[Injected]:
        """``target`` or a store may take only so much memory more."""
        return self.inject(MemoryLimited(subject, _size(headroom)))

    def disk_full(
        self, subject: str, *, size: str = "4MiB", folder: str = ""
    ) -> AbstractContextManager[Injected]:
        """A folder of ``target`` or a store, its private one if empty, lies on a small disk that is full."""
        return self.inject(DiskFull(subject, _size(size), folder))

    def clock_stepped(self, by: str) -> AbstractContextManager[Injected]:
        """The wall clock of the service is set by so much, such as ``"1h"`` or ``"-90s"``."""
        try:
            span_ns = parse_duration_ns(by.removeprefix("-").removeprefix("+"))
        except UnitError as error:
            raise InvalidFault(f"clock_stepped: {error}") from error
        return self.inject(ClockStepped(TARGET, -span_ns if by.startswith("-") else span_ns))

    # -- checks ------------------------------------------------------------------------------------

    def _check_others(self, fault: Fault) -> None:
        """What makes new processes goes alone with its subject, and nothing is done twice."""
        others = [one.fault for one in self.in_force if one.fault.subject == fault.subject]
        for other in others:
            if type(other) is type(fault):
                raise Refused(f"{fault.touches}: that is so already; lift it first")
            if isinstance(other, ProcessKilled):
                raise Refused(f"{fault.touches}: it is killed; lift that first")
        needs_new = isinstance(fault, ProcessKilled | DiskFull)
        if needs_new and any(not isinstance(other, ClockStepped) for other in others):
            raise Refused(
                f"{fault.touches}: {others[-1].word} is what it is already, and would end with its "
                "process; lift that first"
            )

    def _end_after(self, injected: Injected, error: BaseException) -> None:
        """Something failed while the fault lasted: that is told, and what became of the fault is noted."""
        try:
            self.end(injected)
        except UndoFailed as failed:
            error.add_note(f"and what was injected could not be undone: {failed}")
            return
        if injected.ended is not None and injected.ended.doubt is not None:
            error.add_note(f"the fault was not in effect: {injected.ended.doubt}")


def _await_ends(subject: Subject) -> None:
    """Who is ending has ended: a core may be written first."""
    until_s = time.monotonic() + _ENDS_S
    while any(leaves(one.pid) for one in subject.family()) and time.monotonic() < until_s:
        time.sleep(_POLL_S)


def _size(text: str) -> int:
    try:
        return parse_size_bytes(text)
    except UnitError as error:
        raise InvalidFault(str(error)) from error
