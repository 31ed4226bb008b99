"""What a kind of promise is made of: its words, its trials and its check. All of it is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from harness.contract.model import Dependency, Operation
from harness.contract.words import Promise
from harness.history import Call, History
from harness.plan import Played, Trial
from harness.verdict import Verdict

LEFT_OUT = "a smoke run leaves it out"
"""What a trial says that only a whole run plays."""
NOT_NEEDED = "an earlier trial had settled it"
"""What a trial says that `Trial.unless` spares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a kind may know of the contract and the world around a promise.

    Attributes:
        promises: all promises of the contract.
        ok: statuses that mean success, by operation; none: any 2xx.
        frozen: the target's clock is held.
        can_call_from: whether this machine can call from a source address.
        rng: the random stream of this promise.
        operations, dependencies: as the contract has them, by name.
        serving: how many processes of the target were seen to serve since it started; None where
            that cannot be seen.
    """

    promises: Sequence[Promise]
    ok: Mapping[str, frozenset[int]]
    frozen: bool
    can_call_from: Callable[[str], bool]
    rng: Random
    serving: int | None = None
    operations: Mapping[str, Operation] = field(default_factory=dict)
    dependencies: Mapping[str, Dependency] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What one playing of a trial showed.

    Attributes:
        trial: the trial.
        verdict: of this trial alone; *kept* means that it was conclusive and found nothing.
        again: an answer was lost that would have decided; worth another try.
        repeats: in how many of how many fresh worlds it was broken, ``(k, n)``.
        marks: what this trial showed that *kept* must have seen somewhere, e.g. ``full_cap``.
    """

    trial: Trial
    verdict: Verdict
    again: bool = False
    repeats: tuple[int, int] = (0, 1)
    marks: frozenset[str] = frozenset()


class Kind(Protocol):
    """One kind of promise; ``harness.promises`` registers the kinds that are known."""

    @property
    def name(self) -> str:
        """As contracts write it under ``kind``."""

    @property
    def words(self) -> type[Promise]:
        """What a contract may say of such a promise."""

    def trials(self, promise: Any, around: Surroundings) -> Sequence[Trial]:
        """The plans to play, in order."""

    def smoke(self, trial: Trial) -> Trial | None:
        """The trial as a smoke run plays it, whole or shortened; None if it is left out.

        The few that stay catch the coarsest defects, and *kept* can be earned by them.
        """

    def admitted(self, promise: Any, around: Surroundings, call: Call) -> bool | None:
        """How a plan that looks at answers reads one: True in, False refused, None neither."""

    def judge(
        self, promise: Any, around: Surroundings, history: History, trial: Trial, played: Played
    ) -> TrialResult:
        """Judge one playing of a trial by the whole history since the target started."""

    def conclude(self, promise: Any, results: Sequence[TrialResult]) -> Verdict:
        """The verdict of the promise from those of its trials, none of them broken.

        In a smoke run the trials that were left out are among them, not needed.
        """

    def quiet_ns(self, promise: Any) -> int:
        """How long no call must have come for the service to have forgotten all of them."""
