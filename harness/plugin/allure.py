"""A promise in Allure's own terms, through allure-pytest's listener.

Epic is the service, feature the kind, story the promise. Allure knows *failed* and *broken*: a
promise that is proved broken has *failed*; one that is unknown is what Allure calls *broken*, a test
that could not say, and carries the tag ``unknown``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import allure_commons
import pytest
from allure_commons.model2 import (
    Label,
    Parameter,
    Status,
    StatusDetails,
    TestResult,
    TestStepResult,
)
from allure_commons.types import AttachmentType, LabelType

from harness.record import PromiseRecord, RunRecord, TrialRecord, write_text
from harness.render.case import Unreadable, read_case
from harness.render.story import rows_of, words_of
from harness.render.text import clean, shorten

_STATUS: Final = {"kept": Status.PASSED, "broken": Status.FAILED, "unknown": Status.BROKEN}
_SAYS_MOST: Final = 4_000
_TEXT_MOST: Final = 1_000
_CATEGORIES: Final = [
    {"name": "Broken promises", "matchedStatuses": [Status.FAILED]},
    {"name": "Unknown: nothing is proved", "matchedStatuses": [Status.BROKEN]},
]

Guarded = Callable[[str], AbstractContextManager[None]]


def tell(logger: Any, part: PromiseRecord, directory: Path) -> None:
    """Give the open result of this test the promise's names, trials, words and files."""
    test: TestResult | None = logger.get_test(None)
    if test is None:
        return
    test.name = clean(part.id)
    test.description = None if part.says is None else _markdown(part.says)
    test.parameters = [
        Parameter(name=name, value=clean(value))
        for name, value in (("service", part.service), ("id", part.id))
    ]
    tags = [part.verdict, "known broken"] if _is_known(part) else [part.verdict]
    test.labels += [
        Label(name=LabelType.EPIC, value=clean(part.service)),
        Label(name=LabelType.FEATURE, value=clean(part.kind)),
        Label(name=LabelType.STORY, value=clean(part.id)),
        Label(name="verdict", value=part.verdict),
        *(Label(name=LabelType.TAG, value=tag) for tag in tags),
    ]
    if part.verdict == "unknown":
        test.status = Status.BROKEN
    test.steps.append(_trials(part, test.start))
    _attach(logger, test, part, directory)


def _is_known(part: PromiseRecord) -> bool:
    return part.baseline is not None and not part.fails


def _markdown(says: str) -> str:
    """As it stands, but for what would be markup to a page that shows it."""
    text = shorten(clean(says), _SAYS_MOST)
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("](", "]\\(")):
        text = text.replace(sign, safe)
    return text


def _trials(part: PromiseRecord, at_ms: int) -> TestStepResult:
    """One step that holds them all, so that the verdict is seen first."""
    kept = sum(trial.verdict == "kept" for trial in part.trials)
    return TestStepResult(
        name=f"trials: {kept} of {len(part.trials)} conclusive",
        status=_STATUS[part.verdict],
        start=at_ms,
        stop=at_ms,
        steps=[_trial(trial, at_ms) for trial in part.trials],
    )


def _trial(trial: TrialRecord, at_ms: int) -> TestStepResult:
    idle = trial.verdict == "unknown" and not trial.evidence
    word: str = "not played" if idle else trial.verdict
    if 0 < trial.broken_in < trial.worlds:
        word = f"{word}, intermittent {trial.broken_in}/{trial.worlds}"
    said = shorten(clean(trial.reason), _TEXT_MOST)
    return TestStepResult(
        name=f"{clean(trial.name)}: {word}",
        status=Status.SKIPPED if idle else _STATUS[trial.verdict],
        statusDetails=None if trial.verdict == "kept" else StatusDetails(message=said),
        start=at_ms,
        stop=at_ms,
        parameters=[
            Parameter(name="purpose", value=shorten(clean(trial.purpose), _TEXT_MOST)),
            *(
                Parameter(name=name, value=str(value))
                for name, value in trial.evidence.items()
                if value
            ),
        ],
    )


def _attach(logger: Any, test: TestResult, part: PromiseRecord, directory: Path) -> None:
    if part.counterexample is None:
        return
    try:
        body = (directory / part.counterexample).read_bytes()
        case = read_case(directory, part.counterexample)
    except (OSError, Unreadable):
        return
    lines = [f"{row.time:>14}  {row.what}  {row.detail}".rstrip() for row in rows_of(case)]
    timeline = clean("\n".join([case.said, "", *lines, "", *words_of(case), ""]))
    for name, text, kind in (
        ("timeline", timeline, AttachmentType.TEXT),
        ("counterexample", body, AttachmentType.JSON),
    ):
        logger.attach_data(
            str(uuid4()), text, name=name, attachment_type=kind, parent_uuid=test.uuid
        )


def guard(config: pytest.Config, guarded: Guarded) -> None:
    """From now on a file of Allure's that cannot be written is trouble told, not an error."""
    plugin = _Guard(guarded)
    allure_commons.plugin_manager.register(plugin)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(plugin))


class _Guard:
    """Stands around allure's own logger, whatever it writes."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded

    def _pass(self) -> Any:
        with self._guarded("a file of Allure's"):
            return (yield)

    @allure_commons.hookimpl(wrapper=True)
    def report_result(self) -> Any:
        """One promise."""
        return (yield from self._pass())

    @allure_commons.hookimpl(wrapper=True)
    def report_container(self) -> Any:
        """One fixture."""
        return (yield from self._pass())

    @allure_commons.hookimpl(wrapper=True)
    def report_attached_data(self) -> Any:
        """One attachment."""
        return (yield from self._pass())


def write_about(directory: Path, record: RunRecord) -> None:
    """What Allure shows beside the results: its categories in our words, and the versions.

    Raises:
        OSError: the folder cannot be written.
    """
    write_text(directory / "categories.json", json.dumps(_CATEGORIES, indent=2))
    facts = {"seed": str(record.seed), "clock": record.clock, **record.versions}
    lines = [f"{name}={clean(value)}\n" for name, value in facts.items()]
    write_text(directory / "environment.properties", "".join(lines))
