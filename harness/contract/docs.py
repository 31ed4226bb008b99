"""What the docstrings of contract types say, for error messages and for the published schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from harness.contract.words import Words

_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def summary(model: type[Words]) -> str:
    """The first paragraph of a type's docstring, on one line."""
    return _line(inspect.cleandoc(model.__doc__ or "").split("\n\n")[0])


def key_of(model: type[Words], field: str) -> str:
    """The key that ``field`` is written with in a contract."""
    return model.model_fields[field].alias or field


def keys_of(model: type[Words]) -> Mapping[str, str]:
    """Each key that may be written, and what it means; the text is empty where nothing is said."""
    meanings: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Words):
            _, _, attributes = inspect.cleandoc(base.__doc__ or "").partition("Attributes:\n")
            found = _ATTRIBUTE.findall(attributes)
            meanings |= {name: _line(text) for name, text in found}
    return {key_of(model, name): meanings.get(name, "") for name in model.model_fields}


def words_at(model: type[Words], location: tuple[str | int, ...]) -> type[Words] | None:
    """The type of the words at ``location`` inside ``model``, or None where there are no words."""
    here: Any = model
    for part in location:
        if isinstance(here, type) and issubclass(here, Words):
            fields = {key_of(here, name): info for name, info in here.model_fields.items()}
            here = _plain(fields[str(part)].annotation) if part in fields else None
        elif get_origin(here) in {Union, UnionType}:  # a part names the branch that was tried
            here = next((arg for arg in get_args(here) if _name(arg) in str(part)), None)
        else:
            arguments = get_args(here)
            here = _plain(arguments[-1 if get_origin(here) is dict else 0]) if arguments else here
    return here if isinstance(here, type) and issubclass(here, Words) else None


def _line(text: str) -> str:
    """One line, with code in single backticks."""
    return " ".join(text.split()).replace("``", "`")


def _name(annotation: Any) -> str:
    return str(getattr(_plain(annotation), "__name__", annotation))


def _plain(annotation: Any) -> Any:
    """The annotation without ``Annotated`` and without ``| None``."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
            continue
        if get_origin(annotation) not in {Union, UnionType}:
            return annotation
        branches = [arg for arg in get_args(annotation) if arg is not type(None)]
        if len(branches) > 1:
            return Union[tuple(branches)]  # noqa: UP007
        annotation = branches[0]
