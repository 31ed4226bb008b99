"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest

import pytest

from harness.identify import hints, openapi


@pytest.mark.parametrize("module", [hints, openapi])
def test_examples_run(module: object) -> None:
    """Each module has an example, and it says what happens."""
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed
