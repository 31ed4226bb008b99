"""Whatever is done to a good contract, it loads or is refused with a place in the file."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from harness.contract.load import LoadedContract, load
from harness.errors import ContractError
from harness.promises.rate_limit.words import RateLimit

KINDS = {"rate_limit": RateLimit}
GOOD = (Path(__file__).parent / "good.yaml").read_text(encoding="utf-8")
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, "", " ", "yes", "100/min", "{n}", "{", "\r\n", "é\U0001f300"),
    *([], {}, [[]], {"a": None}, ["elements"], {"kind": "valkey"}, "kind", "GET /"),
)
ODD_TEXTS = (
    "\t",
    "{",
    "}",
    "[",
    "*a",
    "&a ",
    "!!x ",
    '"',
    "'",
    "|\n",
    "? ",
    "- ",
    ": ",
    "\n---\n",
    "\r",
)
ODD_BYTES = (b"\xff", b"\0", b"\xe2\x80\xa8", b"\xef\xbb\xbf", b"\x1b")

relaxed = settings(
    deadline=None,
    max_examples=150,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def judge(folder: Path, raw: bytes) -> LoadedContract | None:
    """Load ``raw``; a refusal must point into it."""
    path = folder / "contract.yaml"
    path.write_bytes(raw)
    lines = raw.count(b"\n") + raw.count(b"\r") + 1
    try:
        return load(path, KINDS, environ={})
    except ContractError as error:
        problems = error.problems
    assert problems
    for problem in problems:
        assert problem.line is not None
        assert problem.column is not None
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.message.isprintable()
    return None


def containers(value: Any) -> list[Any]:
    """All lists and mappings that hold something, from the outside in."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or not value:
        return []
    return [value, *(found for child in inner for found in containers(child))]


def mutate(contract: Any, rng: Random) -> None:
    """Delete, retype, rename, double or swap one thing."""
    box = rng.choice(containers(contract))
    key = rng.choice(list(box) if isinstance(box, dict) else range(len(box)))
    act = rng.choice(["delete", "retype", "rename", "double", "swap"])
    if act == "delete":
        del box[key]
    elif act == "retype":
        box[key] = rng.choice(ODD_VALUES)
    elif act == "swap":
        box[key] = deepcopy(rng.choice(containers(contract)))
    elif isinstance(box, list):
        box.insert(key, box[key])
    else:
        name = str(rng.choice([key[:-1], f"{key}s", "kind", "json", "port", "<<", "ip"]))
        box[name] = box[key] if act == "double" else box.pop(key)


@relaxed
@given(seed=st.integers(0, 2**32), times=st.integers(1, 4))
def test_mutations_of_the_tree(tmp_path: Path, seed: int, times: int) -> None:
    """Deleted, retyped, renamed, doubled or swapped words are read or refused, never a crash."""
    contract = YAML(typ="safe", pure=True).load(GOOD)
    rng = Random(seed)
    for _ in range(times):
        if contract:
            mutate(contract, rng)
    judge(tmp_path, json.dumps(contract, indent=1).encode())


@relaxed
@given(seed=st.integers(0, 2**32), times=st.integers(1, 3))
def test_mutations_of_the_text(tmp_path: Path, seed: int, times: int) -> None:
    """Cut, doubled or spoilt text is read or refused, never a crash."""
    raw, rng = bytearray(GOOD.encode()), Random(seed)
    for _ in range(times):
        start, length = rng.randrange(len(raw)), rng.randint(1, 60)
        act = rng.choice(["cut", "double", "words", "bytes"])
        if act == "cut":
            del raw[start : start + length]
        elif act == "double":
            raw[start:start] = raw[start : start + length]
        else:
            text = rng.choice(ODD_TEXTS).encode()
            raw[start:start] = text if act == "words" else rng.choice(ODD_BYTES)
    judge(tmp_path, bytes(raw))


@relaxed
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    """Nothing at all like a contract is refused just as calmly."""
    assert judge(tmp_path, raw) is None


@relaxed
@given(st.integers(0, GOOD.count("\n") - 1))
def test_a_line_twice_is_never_a_contract(tmp_path: Path, number: int) -> None:
    """Each line of the example says something once; the comment alone may be doubled."""
    lines = GOOD.splitlines(keepends=True)
    lines.insert(number, lines[number])
    assert (judge(tmp_path, "".join(lines).encode()) is None) == (number > 0)


def test_the_good_contract_is_good(tmp_path: Path) -> None:
    """The mutations start from what loads, as YAML and as JSON."""
    assert judge(tmp_path, GOOD.encode())
    contract = YAML(typ="safe", pure=True).load(GOOD)
    assert judge(tmp_path, json.dumps(contract).encode())
