"""The JSON Schema of a contract, from the same types that read it, so that editors complete it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from harness.contract.docs import keys_of, summary
from harness.contract.model import Contract
from harness.contract.words import Promise, Words, as_list
from harness.units import format_duration

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REF: Final = "#/$defs/"


class _Generator(GenerateJsonSchema):
    """Says what people write, not what Python holds: "10s" and not 10000000000, one or a list."""

    def function_before_schema(
        self, schema: core_schema.BeforeValidatorFunctionSchema
    ) -> JsonSchemaValue:
        """One value may stand where a list is meant."""
        inner = super().function_before_schema(schema)
        if schema["function"]["function"] is as_list and "items" in inner:
            return {"anyOf": [inner["items"], inner]}
        return inner

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """A key without a value is refused: what may be left out is just not required."""
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults as people write them; none where leaving out is the only way to say it."""
        inner = super().default_schema(schema)
        default = inner.get("default")
        if default is None or default == []:
            inner.pop("default", None)
        elif inner.get("type") == "string" and isinstance(default, int):
            inner["default"] = format_duration(default)
        elif isinstance(default, Mapping):
            del inner["default"]
        return inner

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Descriptions from the docstring of the type."""
        made, model = super().model_schema(schema), schema["cls"]
        if not issubclass(model, Words):
            return made
        made["description"] = summary(model)
        for key, meaning in keys_of(model).items():
            words = made["properties"][key]
            words.pop("title", None)
            if "anyOf" in words and "minLength" in words:  # of one or a list: it bounds the list
                words["anyOf"][-1]["minItems"] = words.pop("minLength")
            if meaning:
                words["description"] = meaning
        return made

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Keys that are no name are refused."""
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made


def contract_schema(kinds: Mapping[str, type[Promise]]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a contract whose promises are of these kinds.

    It catches what an editor can catch; names that must exist elsewhere and the like are the
    loader's.
    """
    models: list[type[BaseModel]] = [Contract, *kinds.values()]
    references, whole = models_json_schema(
        [(model, "validation") for model in models], schema_generator=_Generator
    )
    definitions: dict[str, Any] = whole["$defs"]
    contract = definitions.pop(_definition(references[Contract, "validation"]))
    by_kind = {kind: references[model, "validation"]["$ref"] for kind, model in kinds.items()}
    contract["properties"]["promises"]["items"] = {
        "oneOf": [{"$ref": reference} for reference in by_kind.values()],
        "discriminator": {"propertyName": "kind", "mapping": by_kind},
    }
    if Promise not in kinds.values():
        del definitions["Promise"]
    return {"$schema": DIALECT, **contract, "$defs": dict(sorted(definitions.items()))}


def schema_text(kinds: Mapping[str, type[Promise]]) -> str:
    """The schema as it is written to ``harness/schemas/contract.schema.json``."""
    return json.dumps(contract_schema(kinds), indent=2, ensure_ascii=False) + "\n"


def _definition(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).removeprefix(_REF)
