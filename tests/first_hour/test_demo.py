"""``stormproof demo``: what people try first, from the package alone."""

from __future__ import annotations

import ast
import difflib
import shutil
import sys
from pathlib import Path

import pytest

import harness.demo
from tests.cli.conftest import Stormproof

DEMO = Path(harness.demo.__file__).parent


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 0, "kept"),
        (("--broken",), 1, "at most 10 are promised in any 10s"),
    ],
)
def test_the_demo_shows_both_answers(
    stormproof: Stormproof, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """The healthy shop keeps its promise; the one with a planted defect is told by its calls."""
    ran = stormproof("demo", *words, "--report", tmp_path / "report")
    assert ran.code == code, ran.out + ran.err
    assert said in ran.out
    assert str(DEMO / "shop.py") in ran.out.replace("\n", "")
    assert (ran.promise("basket-rate")["counterexample"] is not None) is bool(words)


def test_the_two_shops_differ_by_one_word() -> None:
    """What is broken is the algorithm alone: contract and service are the same."""
    healthy, broken = (
        [line for line in (DEMO / name).read_text().splitlines() if not line.startswith("#")]
        for name in ("contract.yaml", "broken.yaml")
    )
    changed = [line for line in difflib.ndiff(healthy, broken) if line.startswith(("- ", "+ "))]
    assert [line.split()[1] for line in changed] == ["service:", "service:", "command:", "command:"]
    assert changed[2][2:].replace("sliding", "fixed") == changed[3][2:]


def test_the_shop_needs_nothing() -> None:
    """It runs with the standard library alone, in any folder that the package is installed to."""
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse((DEMO / "shop.py").read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names


def test_the_contract_can_be_copied(stormproof: Stormproof, tmp_path: Path) -> None:
    """People copy contract and service and change them; nothing points back into the package."""
    for name in ("contract.yaml", "shop.py"):
        shutil.copy(DEMO / name, tmp_path)
    ran = stormproof("verify", tmp_path / "contract.yaml", "--clock", "auto")
    assert ran.code == 0, ran.out + ran.err
