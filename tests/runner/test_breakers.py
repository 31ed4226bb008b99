"""A real service of two workers, a breaker in each: what each scope makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.contract.load import load
from harness.promises import words
from harness.verdict import Status
from tests.quality.examine import examine

PROGRAMS = Path(__file__).parent / "programs"
CONTRACT = """
contract: 1
service: two
target:
  command: ["{{python}}", -m, gunicorn, "breakers:app", --chdir, {programs}, -w, "2", --threads, "4",
            --keep-alive, "1000000000", --timeout, "0", --log-level, warning, -b, "127.0.0.1:{{port}}"]
  env: {{DEPENDENCY: "{{search.url}}"}}
  ready: {{get: /healthz, within: 20s}}
dependencies: {{search: {{kind: witness}}}}
operations: {{find: {{call: GET /find, uses: [search], ok: 200}}}}
promises:
  - id: breaker
    kind: circuit_breaker
    operation: find
    dependency: search
    scope: {scope}
    trips: {{consecutive: {failures}}}
    recovery: 3s
    half_open: {{successes: 1}}
    open: {{status: 503}}
"""


@pytest.mark.parametrize(
    ("scope", "failures", "status"),
    [
        ("process", 5, Status.KEPT),
        ("shared", 5, Status.BROKEN),
    ],
)
def test_a_breaker_in_each_worker(
    tmp_path: Path, scope: str, failures: int, status: Status
) -> None:
    """Declared so, it keeps its promise; one breaker for all would have opened sooner."""
    path = tmp_path / "contract.yaml"
    path.write_text(CONTRACT.format(programs=PROGRAMS, scope=scope, failures=failures))
    verdict = examine(load(path, words()))["breaker"].verdict
    assert verdict.status is status, verdict.reason
