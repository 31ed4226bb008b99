"""Plays the steps of calls that stay under way; after each the target rests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from random import Random

from harness.client import Request
from harness.history import Arrival, Call
from harness.plan import (
    Answering,
    CountResources,
    Fire,
    Flight,
    Jump,
    Kill,
    Leave,
    Reaching,
    Release,
    Step,
    Trial,
)
from harness.runner.processes import counted, holder
from harness.runner.times import PlanEnded
from harness.runner.world import World

NO_TOKENS = (
    "the service passes no token of its calls on to what it calls, so they cannot be told apart; "
    "let it forward X-Request-ID, or put {call} into the operation"
)


def flies(trial: Trial) -> bool:
    """Whether a plan has calls that stay under way: then waits go from timer to timer."""
    return any(isinstance(step, Flight) for step in trial.steps)


class FlightSteps:
    """The calls of one plan that were begun in groups, and what is done with them.

    Args:
        world: where it is played.
        compose: the requests of a step, so many of them, in order.
        note: told of each call that ended while its step was played.
        name: of the trial; the order of releases is drawn by it.
    Attributes:
        groups: the indexes of the calls of each group, in the order in which they began.
    """

    def __init__(
        self,
        world: World,
        compose: Callable[[Fire, int], list[Request]],
        note: Callable[[Sequence[Call]], None],
        name: str,
    ) -> None:
        self._world = world
        self._compose = compose
        self._note = note
        self._name = name
        self._rng: Random | None = None
        self.groups: dict[str, list[int]] = {}

    def play(self, step: Step) -> tuple[int, ...]:
        """Play one step; the indexes of the calls that it began."""
        world = self._world
        match step:
            case Fire():
                return tuple(self._fire(step))
            case Answering():
                world.witnesses.script(step.dependency, step.script)
            case Release():
                self._release(step)
            case Leave():
                self._leave(step)
            case Jump():
                world.flights.walk_to(world.now_ns + step.most_ns, until_done=True)
            case Reaching():
                world.reach(step.dependency, step.how)
            case CountResources():
                self._count()
            case Kill():
                self._kill(step)
        return ()

    # -- calls ---------------------------------------------------------------------------------

    def _fire(self, fire: Fire) -> list[int]:
        if fire.together and fire.until is None:
            made = self._begin(fire, fire.times)
            self._world.rest()
            self._told(made)
            return made
        made = []
        for _ in range(fire.times):
            before = len(self._world.witnesses.recent())
            begun = self._begin(fire, 1)
            self._world.rest()
            self._told(begun)
            made += begun
            if fire.until is not None and self._fate(begun[0], before) == fire.until:
                break
        return made

    def _begin(self, fire: Fire, times: int) -> list[int]:
        made = self._world.begin(self._compose(fire, times))
        self.groups.setdefault(fire.group, []).extend(made)
        return made

    def _told(self, indexes: Sequence[int]) -> None:
        calls = [self._world.call(index) for index in indexes]
        lost = [call for call in calls if not call.written]
        if lost and not self._world.hurts.excuses_target:
            self._world.check_alive()
            raise PlanEnded(
                f"{len(lost)} of {len(calls)} calls could not be connected ({lost[0].error}); a service "
                "that takes so many at once would settle it"
            )
        self._note([call for call in calls if call.ended_ns is not None])

    def _fate(self, index: int, before: int) -> str | None:
        """What became of a call that was begun alone: rejected, admitted, or neither yet.

        Args:
            index: of the call.
            before: how many arrivals there were when it began.
        """
        call = self._world.call(index)
        arrivals = self._world.witnesses.recent()[before:]
        if any(one.token in (call.token, None) for one in arrivals):
            return "admitted"
        return "rejected" if call.status is not None and call.complete else None

    def _under_way(self, group: str) -> list[int]:
        mine = set(self._group(group))
        return [index for index in self._world.flights.indexes if index in mine]

    def _group(self, group: str) -> list[int]:
        if group not in self.groups:
            raise PlanEnded(f"no call of the group {group!r} was fired")
        return self.groups[group]

    # -- what is under way ---------------------------------------------------------------------

    def _release(self, step: Release) -> None:
        numbers = None
        if step.group is not None:
            held = [
                one for one in self._world.witnesses.held() if one.dependency == step.dependency
            ]
            numbers = [one.number for one in self._of_group(held, step.group)]
        self._rng = self._rng or self._world.seed.stream("release", self._name)
        self._world.witnesses.release(
            step.dependency,
            step.answer,
            times=step.times,
            order=step.order,
            numbers=numbers,
            rng=self._rng,
        )

    def _of_group(self, held: Sequence[Arrival], group: str) -> list[Arrival]:
        """Those of ``held`` that belong to the calls of a group."""
        tokens = {self._world.call(index).token for index in self._group(group)}
        if all(one.token is not None for one in held):
            return [one for one in held if one.token in tokens]
        if set(self._world.flights.indexes) <= set(self._group(group)):
            return list(held)
        raise PlanEnded(NO_TOKENS)

    def _leave(self, step: Leave) -> None:
        indexes = self._under_way(step.group)
        if step.waiting is not None:
            reached = self._reached(indexes)
            indexes = [index for index in indexes if reached[index] is not step.waiting]
        self._world.flights.leave(indexes[: step.times])

    def _reached(self, indexes: Sequence[int]) -> dict[int, bool]:
        """Of each of these calls, whether one of its attempts has reached a witness."""
        calls = {index: self._world.call(index) for index in indexes}
        since_ns = min((call.written_ns for call in calls.values()), default=0)
        arrivals = [one for one in self._world.witnesses.recent() if one.at_ns >= since_ns]
        if any(one.token is None for one in arrivals):
            raise PlanEnded(NO_TOKENS)
        tokens = {one.token for one in arrivals}
        return {index: call.token in tokens for index, call in calls.items()}

    # -- processes -----------------------------------------------------------------------------

    def _count(self) -> None:
        parts = [part.pid for part in self._world.target.parts()]
        found = counted({pid for pid in parts if pid is not None})
        if found is None:
            raise PlanEnded(
                "what the target's processes hold cannot be counted: they are not ours to look into"
            )
        self._world.counted(found)

    def _kill(self, step: Kill) -> None:
        roots = {part.pid for part in self._world.target.parts() if part.pid is not None}
        held = self._of_group(self._world.witnesses.held(), step.group)
        ports = {one.peer_port for one in held if one.peer_port is not None}
        pid = holder(roots, ports)
        if pid is None:
            raise PlanEnded(
                f"no process of the target holds a request of the group {step.group!r} at a witness"
            )
        if pid in roots:
            raise PlanEnded(
                "the process that holds the request is the only one that the target was started as: "
                "with it nobody would serve; a service with workers would settle it"
            )
        os.kill(pid, signal.SIGKILL)
