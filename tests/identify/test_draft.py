"""Whatever a document holds, the draft is a contract that loads."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.contract.load import load
from harness.identify.document import NoDocument, read_document
from harness.identify.draft import Knowledge, draft
from harness.identify.openapi import describe
from harness.promises import words

NAMES = st.sampled_from(
    ["get", "post", "parameters", "name", "in", "query", "path", "header", "required", "schema", "example",
     "type", "object", "properties", "items", "responses", "200", "429", "description", "operationId",
     "requestBody", "content", "application/json", "security", "$ref", "#/paths", "enum", "allOf"]
)  # fmt: skip
TEXTS = st.one_of(NAMES, st.text(max_size=20), st.just("5 requests per minute"), st.just("{a}"))
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
PARAMETERS = st.fixed_dictionaries(
    {"name": TEXTS, "in": st.sampled_from(["path", "query", "header"])},
    optional={"required": st.booleans(), "schema": VALUES, "example": VALUES},
)
FORM = "application/x-www-form-urlencoded"
CONTENTS = st.fixed_dictionaries({}, optional={"schema": VALUES, "example": VALUES})
OPERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "operationId": TEXTS,
        "summary": TEXTS,
        "parameters": st.lists(st.one_of(PARAMETERS, VALUES), max_size=3),
        "requestBody": st.fixed_dictionaries(
            {"content": st.dictionaries(st.sampled_from(["application/json", FORM, "x/y"]), CONTENTS)}
        ),
        "responses": st.dictionaries(st.sampled_from(["200", "204", "429", "default"]), VALUES),
        "security": VALUES,
    },
)  # fmt: skip
SCHEMES = st.fixed_dictionaries(
    {"type": st.sampled_from(["apiKey", "http", "oauth2"])},
    optional={"in": st.sampled_from(["header", "query", "cookie"]), "name": TEXTS, "scheme": TEXTS},
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "openapi": st.just("3.1.0"),
        "paths": st.dictionaries(
            st.one_of(st.sampled_from(["/", "/a/{id}", "/ü b", "/{"]), st.text(max_size=8).map("/{}".format)),
            st.dictionaries(st.sampled_from(["get", "post", "put", "delete"]), OPERATIONS, max_size=3),
            min_size=1,
            max_size=4,
        ),
    },
    optional={
        "info": st.fixed_dictionaries({}, optional={"title": TEXTS, "description": TEXTS}),
        "servers": st.lists(st.fixed_dictionaries({"url": TEXTS}), max_size=1),
        "components": st.fixed_dictionaries({"securitySchemes": st.dictionaries(TEXTS, SCHEMES)}),
        "security": st.lists(st.dictionaries(TEXTS, st.just([])), max_size=1),
    },
)  # fmt: skip


@settings(max_examples=300, suppress_health_check=list(HealthCheck), deadline=None)
@given(document=DOCUMENTS)
@example({"openapi": "3.1.0", "paths": {"/": {"get": {}}}, "info": {"title": "0 \x1b"}})
def test_every_draft_loads(tmp_path: Path, document: dict[str, Any]) -> None:
    """Names, paths, examples and texts of any kind: quoted, doubled or left out."""
    found = describe(read_document(json.dumps(document).encode()))
    if not found.operations:
        return
    known = Knowledge(
        service=found.title or "service",
        url="http://127.0.0.1:1",
        source="/openapi.json",
        operations=found.operations,
        left_out=found.left_out,
        clients=found.clients,
        hints=found.hints,
    )
    path = tmp_path / "contract.yaml"
    path.write_text(draft(known), encoding="utf-8")
    load(path, words(), environ={})


@settings(max_examples=300, deadline=None)
@given(
    raw=st.one_of(
        st.binary(max_size=60), TEXTS.map(str.encode), VALUES.map(json.dumps).map(str.encode)
    )
)
def test_whatever_comes_is_read_or_refused(raw: bytes) -> None:
    """In plain words, never with an error of ours."""
    with suppress(NoDocument):
        assert isinstance(read_document(raw), dict)
