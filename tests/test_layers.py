"""A module imports only from its own row or rows above it: data goes one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "harness"
ROWS = (
    ("errors", "seeds", "units"),
    ("history", "verdict"),
    ("contract", "script", "plan", "planfile", "faults"),
    ("models", "oracles", "identify"),
    ("promises",),
    ("living", "ledger", "undo", "supervisor", "reaper", "sweep"),
    ("clock", "loop", "proxy", "witness", "services", "targets", "client"),
    ("nemesis", "load"),
    ("runner", "shrink", "counterexample", "replay", "gate", "record", "render"),
    ("plugin", "cli", "demo", "__main__"),
)
ROW = {name: number for number, names in enumerate(ROWS) for name in names}
FILES = sorted(
    path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts != ("__init__.py",)
)


def imported(path: Path) -> set[str]:
    """The parts of ``harness`` that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "harness":
                names = [f"harness.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("harness.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    """No module knows of one below its own row, and each has a row."""
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert part in ROW, f"give {part} a row"
    lower = {name for name in imported(path) if ROW.get(name, 99) > ROW[part]}
    assert not lower, f"{path} imports {sorted(lower)} from a row below its own"


def test_promises_touch_nothing() -> None:
    """Everything up to the kinds is pure: no sockets, processes or clocks are imported there."""
    edges = {"socket", "subprocess", "time", "threading", "asyncio", "select", "signal"}
    for path in FILES:
        if ROW[path.relative_to(ROOT).parts[0].removesuffix(".py")] > ROW["promises"]:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not edges & {alias.name for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom):
                assert node.module not in edges, path
