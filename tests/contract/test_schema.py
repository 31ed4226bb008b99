"""The published JSON Schema: up to date, valid, and of one mind with the loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

import harness
from harness.contract.schema import contract_schema, schema_text
from harness.promises import words
from harness.promises.rate_limit.words import RateLimit

KINDS = {"rate_limit": RateLimit}
GOOD = (Path(__file__).parent / "good.yaml").read_text(encoding="utf-8")
COMMITTED = Path(harness.__file__).parent / "schemas" / "contract.schema.json"


def errors(text: str) -> list[str]:
    validator = Draft202012Validator(contract_schema(KINDS))
    contract: Any = YAML(typ="safe", pure=True).load(text)
    return [error.message for error in validator.iter_errors(contract)]


def test_the_committed_schema_is_up_to_date() -> None:
    """If this fails: `stormproof schema > harness/schemas/contract.schema.json`."""
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(words())


def test_the_schema_is_a_schema() -> None:
    """It keeps to draft 2020-12, which editors read."""
    schema = contract_schema(KINDS)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("operation: elements", "operation: [elements, search]"),
        ("limit: 100/min", "limit: [60/min, 3/10s]"),
        ("{get: /healthz, within: 10s}", "{tcp: yes, within: 1.5 s}"),
        ("ok: [200, 201]", "ok: 201"),
        ("key: ip", "key: ip\n    store: {dependency: redis, when_down: open}"),
        ("{kind: witness}", "{kind: witness, answer: {json: {}}, paths: {/a: {status: 204}}}"),
    ],
)
def test_good_contracts_are_valid(old: str, new: str) -> None:
    """An editor underlines nothing that the loader accepts."""
    assert errors(GOOD.replace(old, new, 1)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("operations:", "operatons:"),
        ("contract: 1\n", "contract: 2\n"),
        ("service: amodels-catalog\n", ""),
        ("kind: valkey", "kind: valky"),
        ("kind: rate_limit", "kind: rate_limits"),
        ("burst: 10", "burst: 0"),
        ("burst: 10", "burst:"),
        ("burst: 10", "brust: 10"),
        ("limit: 100/min", "limit: 100/mon"),
        ("limit: 100/min", "limit: []"),
        ("operation: elements", "operation: []"),
        ("within: 10s", "within: 10"),
        ("  redis:", "  re dis:"),
        ("{kind: witness}", "{kind: witness, answer: 200}"),
        ("ok: [200, 201]", "ok: [200, 20]"),
    ],
)
def test_bad_contracts_are_not(old: str, new: str) -> None:
    """What can be seen without following names is underlined while typing."""
    assert old in GOOD
    assert errors(GOOD.replace(old, new, 1))


def properties(schema: Any) -> list[dict[str, Any]]:
    definitions = [schema, *schema["$defs"].values()]
    return [words for one in definitions for words in one.get("properties", {}).values()]


def test_editors_can_explain_every_section() -> None:
    """Each type says what it is, and no default is written in a unit that would be refused."""
    schema = contract_schema(KINDS)
    assert all(definition.get("description") for definition in schema["$defs"].values())
    assert schema["$defs"]["Ready"]["properties"]["within"]["default"] == "10s"
    assert schema["$defs"]["RateLimit"]["properties"]["granularity"]["default"] == "1ms"
    described = [words for words in properties(schema) if "description" in words]
    assert len(described) > 40
    assert not any("``" in words["description"] for words in described)


def test_each_kind_is_one_branch() -> None:
    """A further kind stands beside the first, told apart by `kind`."""

    class Other(RateLimit):
        """Another kind."""

    schema = contract_schema({**KINDS, "other": Other})
    items = schema["properties"]["promises"]["items"]
    assert items["oneOf"] == [{"$ref": "#/$defs/RateLimit"}, {"$ref": "#/$defs/Other"}]
    assert items["discriminator"]["propertyName"] == "kind"
