"""YAML text to a tree of values that know their line and column; nothing is built or run from it.

The tree is made from the parser's events, not from its objects, so that depth, aliases and tags are
ours to limit: no file, however made, recurses or grows without bound.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from harness.contract.scalars import cut, plain_scalar
from harness.errors import Problem

DEPTH_MAX: Final = 50
NODES_MAX: Final = 20_000

_LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
_BAD_ESCAPE: Final = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")
_UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\u2028\u2029\x85]"
)

Value: TypeAlias = "bool | int | float | str | tuple[Node, ...] | Mapping[str, Entry] | None"


@dataclass(frozen=True, slots=True)
class Node:
    """One value of the file and where it stands.

    Attributes:
        value: a scalar, the items of a list, or the entries of a mapping.
        line: 1-based.
        column: 1-based, in characters.
        quoted: a scalar that was written in quotes or as a block.
        size: nodes in it, itself included, every alias written out.
        height: levels below it.
    """

    value: Value
    line: int
    column: int
    quoted: bool = False
    size: int = 1
    height: int = 0

    def data(self) -> Any:
        """The plain Python value: lists, dicts and scalars."""
        if isinstance(self.value, tuple):
            return [item.data() for item in self.value]
        if isinstance(self.value, Mapping):
            return {key: entry.node.data() for key, entry in self.value.items()}
        return self.value

    def get(self, key: str) -> Node | None:
        """The value under ``key``, or None where this is no mapping or has no such key."""
        entry = self.value.get(key) if isinstance(self.value, Mapping) else None
        return entry.node if entry else None

    def entries(self) -> Mapping[str, Entry]:
        """Key to entry; empty where this is no mapping."""
        return self.value if isinstance(self.value, Mapping) else {}

    def items(self) -> tuple[Node, ...]:
        """The items of a list, else the one value: people write one where a list is meant."""
        return self.value if isinstance(self.value, tuple) else (self,)

    def problem(self, message: str) -> Problem:
        """``message`` at this place."""
        return Problem(message, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a mapping and its value."""

    key: Node
    node: Node


class Unreadable(Exception):
    """The text is no YAML that we read; nothing further can be said of it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Lines:
    """Where each line begins: a character's index to its line and column."""

    starts: tuple[int, ...]

    @classmethod
    def of(cls, text: str) -> Lines:
        """The lines of ``text`` as editors count them."""
        return cls((0, *(match.end() for match in _LINE_ENDS.finditer(text))))

    def at(self, index: int) -> tuple[int, int]:
        """1-based line and column of the character at ``index``."""
        line = bisect_right(self.starts, index)
        return line, index - self.starts[line - 1] + 1


def read_tree(text: str, what: str = "contract") -> tuple[Node, tuple[Problem, ...]]:
    """Read one YAML document; ``what`` it is to be is a word of the errors.

    Returns:
        Its root, and what is wrong with single nodes of it (tags, duplicate keys, odd numbers).

    Raises:
        Unreadable: no tree can be made: wrong syntax, nothing in it, too deep, too large.
    """
    builder = _Builder(Lines.of(text), what)
    found = _UNPRINTABLE.search(text)
    if found:
        builder.give_up(f"character U+{ord(found[0]):04X} cannot stand in a {what}", found.start())
    for event in _events(text, builder.lines):
        builder.take(event)
    if builder.root is None:
        raise Unreadable(Problem(f"the file holds nothing; a {what} begins with `{what}: 1`", 1, 1))
    return builder.root, tuple(builder.problems)


def _events(text: str, lines: Lines) -> Iterator[Event]:
    """The parser's events; whatever it trips over becomes Unreadable."""
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = lines.at(min(mark.index, len(text))) if mark else (1, 1)
        raise Unreadable(Problem(_syntax(error, text), line, column)) from None
    except (YAMLError, ValueError, OverflowError, IndexError) as error:
        wrong = _BAD_ESCAPE.search(text)
        place = lines.at(wrong.start()) if wrong else (1, 1)
        said = f"{wrong[0]} is no character" if wrong else str(error)
        raise Unreadable(Problem(f"this is no YAML: {said}", *place)) from None


def _syntax(error: MarkedYAMLError, text: str) -> str:
    said = " ".join(part for part in (error.context, error.problem) if part)
    mark = error.problem_mark
    if "\\t" in said or (mark and text[mark.index : mark.index + 1] == "\t"):
        return "a tab cannot indent YAML: use spaces"
    if mark and text[mark.index : mark.index + 1] in {"{", "}"}:
        return f'this is no YAML: {said}; put a text with braces in quotes, as in "key-{{n}}"'
    return f"this is no YAML: {said}"


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; ``children`` alternate key, value in a mapping."""

    line: int
    column: int
    anchor: str | None
    is_mapping: bool
    children: list[Node] = field(default_factory=list)


@dataclass(slots=True)
class _Builder:
    """Puts the tree together, event by event."""

    lines: Lines
    what: str
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    _open: list[_Open] = field(default_factory=list)
    _anchors: dict[str, Node | None] = field(default_factory=dict)
    _count: int = 0
    _documents: int = 0

    def give_up(self, message: str, index: int) -> NoReturn:
        raise Unreadable(Problem(message, *self.lines.at(index)))

    def take(self, event: Event) -> None:
        index = event.start_mark.index
        if isinstance(event, DocumentStartEvent):
            self._begin(event, index)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._check_tag(event, index)
            line, column = self.lines.at(index)
            is_mapping = isinstance(event, MappingStartEvent)
            self._grow(1, 0, index)
            self._open.append(_Open(line, column, event.anchor, is_mapping))
            if event.anchor:
                self._anchors[event.anchor] = None
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close()
        elif isinstance(event, ScalarEvent):
            self._check_tag(event, index)
            self._grow(1, 0, index)
            self._place(self._scalar(event, index), event.anchor)
        elif isinstance(event, AliasEvent):
            self._alias(event, index)

    def _begin(self, event: DocumentStartEvent, index: int) -> None:
        self._documents += 1
        if self._documents > 1:
            self.give_up(
                f"a second YAML document begins here: one file holds one {self.what}", index
            )
        if event.version not in (None, (1, 2)) or event.tags:
            self.give_up(f"leave out the directives (%): a {self.what} is YAML 1.2", index)

    def _check_tag(self, event: Any, index: int) -> None:
        if event.tag is not None:
            self._say(
                f"the tag {_tag_as_written(event.tag)} is not allowed: a {self.what} holds plain values "
                "and runs nothing; leave the tag out",
                index,
            )

    def _grow(self, size: int, height: int, index: int) -> None:
        self._count += size
        if self._count > NODES_MAX:
            self.give_up(
                f"over {NODES_MAX:,} values, aliases written out: no {self.what} needs so many",
                index,
            )
        if len(self._open) + height >= DEPTH_MAX:
            self.give_up(f"nested more than {DEPTH_MAX} levels deep", index)

    def _alias(self, event: AliasEvent, index: int) -> None:
        name = event.anchor
        if name not in self._anchors:
            self.give_up(f"`*{name}` refers to no anchor `&{name}` before it", index)
        node = self._anchors[name]
        if node is None:
            self.give_up(f"`*{name}` refers to the value that it stands in", index)
        else:
            self._grow(node.size, node.height, index)
            line, column = self.lines.at(index)
            self._place(replace(node, line=line, column=column), None)

    def _place(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node

    def _close(self) -> None:
        frame = self._open.pop()
        children = frame.children
        value = self._entries(children) if frame.is_mapping else tuple(children)
        size = 1 + sum(child.size for child in children)
        height = 1 + max((child.height for child in children), default=0)
        self._place(Node(value, frame.line, frame.column, size=size, height=height), frame.anchor)

    def _entries(self, children: Sequence[Node]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for key, node in zip(children[::2], children[1::2], strict=True):
            name = key.value
            if not isinstance(name, str):
                self.problems.append(key.problem(_bad_key(key)))
            elif name == "<<" and not key.quoted:
                self.problems.append(
                    key.problem(
                        "merge keys (<<) are not YAML 1.2: write the keys out, or alias values"
                    )
                )
            elif name in entries:
                first = entries[name].key
                self.problems.append(
                    key.problem(
                        f"duplicate key `{cut(name)}`: it stands in line {first.line} already"
                    )
                )
            else:
                entries[name] = Entry(key, node)
        return entries

    def _say(self, message: str, index: int) -> None:
        self.problems.append(Problem(message, *self.lines.at(index)))

    def _scalar(self, event: ScalarEvent, index: int) -> Node:
        line, column = self.lines.at(index)
        quoted = event.style is not None
        value: Value = event.value
        if quoted:
            value = self._text(event.value, index)
        else:
            try:
                value = plain_scalar(event.value)
            except ValueError as error:
                self._say(str(error), index)
        return Node(value, line, column, quoted=quoted)

    def _text(self, value: str, index: int) -> str:
        """A quoted text; escapes can hide what the raw text must not hold."""
        try:
            value = value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._say("half of a surrogate pair (\\ud800 to \\udfff) is no character", index)
            return ""
        if "\0" in value:
            self._say("a text must not hold the character NUL", index)
        return value


def _bad_key(key: Node) -> str:
    if isinstance(key.value, tuple | Mapping):
        return "a list or mapping cannot be a key; put a text with braces or brackets in quotes"
    written = "null" if key.value is None else str(key.value).lower()
    return f'a key must be a text, not `{written}`: put it in quotes, as in "{written}"'


def _tag_as_written(tag: str) -> str:
    return cut(tag.replace("tag:yaml.org,2002:", "!!", 1))
