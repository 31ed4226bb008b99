"""Names in braces: which there are, where, and what stands in their place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.names import (
    BadName,
    Known,
    Names,
    Place,
    expand,
    expand_value,
    names_in,
)
from harness.errors import HarnessError

SECRET = "hush-7f3a"


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("", ""),
        ("no name", "no name"),
        ("key-{n}", "key-7"),
        ("{n}{n}", "77"),
        ("{{n}}", "{n}"),
        ("{{{n}}}", "{7}"),
        ("{redis.url}/0", "redis://127.0.0.1:6379/0"),
        ("{text}", "{n} stays"),
    ],
)
def test_expand(text: str, expanded: str) -> None:
    """Values are put in once; what they hold is not expanded again."""
    names = {"n": "7", "redis.url": "redis://127.0.0.1:6379", "text": "{n} stays"}
    assert expand(text, names) == expanded


@pytest.mark.parametrize("text", ["{", "}", "{n", "n}", "{n}}", "{{n}", "{a{n}}"])
def test_a_brace_on_its_own_is_refused(text: str) -> None:
    """Nobody has to guess which brace was meant."""
    with pytest.raises(BadName, match="literal brace"):
        names_in(text)


def test_a_name_without_a_value_is_told_without_the_others_values() -> None:
    """The error names what is known, never what it stands for."""
    names = Names.with_environment({"n": "7"}, {"TOKEN": SECRET})
    assert expand("{env.TOKEN}", names) == SECRET
    with pytest.raises(
        HarnessError, match=r"\{m\} has no value here; known: env.TOKEN, n"
    ) as caught:
        expand("{m}", names)
    assert SECRET not in str(caught.value)
    assert repr(names) == "Names(env.TOKEN, n)"


@given(st.text())
def test_doubled_braces_are_the_text_itself(text: str) -> None:
    """Any text can be written; it then holds no name."""
    written = text.replace("{", "{{").replace("}", "}}")
    assert names_in(written) == set()
    assert expand(written, {}) == text


def test_json_is_expanded_to_its_depth() -> None:
    """Texts at any depth, and nothing else: keys and numbers stay."""
    value = {"{n}": ["{n}", {"a": "x{n}"}, 1, None, True]}
    assert expand_value(value, {"n": "7"}) == {"{n}": ["7", {"a": "x7"}, 1, None, True]}


@pytest.mark.parametrize(
    ("place", "known", "unknown"),
    [
        (Place.START, "{python} {port} {contract.dir} {work.dir} {redis.url} {env.TOKEN}", "{n}"),
        (Place.FOLDER, "{contract.dir} {work.dir} {env.TOKEN}", "{port}"),
        (Place.CALL, "{n} {text} {call} {env.TOKEN}", "{redis.url}"),
        (Place.IDENTITY, "{n} {env.TOKEN}", "{text}"),
        (Place.LOGGED_IN, "{n} {token} {env.TOKEN}", "{call}"),
    ],
)
def test_each_place_has_names_of_its_own(place: Place, known: str, unknown: str) -> None:
    """A name is known where it can have a value, and nowhere else."""
    names = Known.at(place, ["redis"], ["TOKEN"])
    assert names.problem(known) is None
    assert f"{unknown} cannot be used here" in (names.problem(unknown) or "")
    assert "is no known name" in (names.problem("{env.}") or "")
    assert "OTHER is not set" in (names.problem("{env.OTHER}") or "")
