"""Read the probes' C structs: they are the schema of what crosses the ring buffer.

Only the small part of C that the probes use for their structs is understood; anything else in a struct is
refused, and the compiler checks every member's place (`Schema.assertions`), so a layout is never guessed.
"""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STRINGS = ("text", "list", "tree", "bytes")
"""Members of these types are places of strings behind the struct, 32 bits wide."""

_CODES = {"u8": "B", "s8": "b", "u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q"}
_CODES |= dict.fromkeys(STRINGS, "I")

_INTERNAL = ("scratch", "sys_exit", "raw_args", "arguments")
"""Structs of common.h that stay in the kernel."""

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINE = re.compile(r"^#define (?:.*\\\n)*.*", re.MULTILINE)
_STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", re.DOTALL | re.MULTILINE)
_MEMBER = re.compile(r"^(struct )?(\w+) (\w+(?:, \w+)*)$")
_EVENT = re.compile(r"^EVENT\(([^)]*)\)", re.MULTILINE)
_PROGRAM = re.compile(r"^(SYSCALL|RAW)\((\w+)\)", re.MULTILINE)
_OFFSET_CALL = re.compile(r"\b(?:OFFSET|READ)\(")


class SchemaError(Exception):
    """A probe's C file declares something this reader does not understand."""


@dataclass(frozen=True)
class Layout:
    """One struct: how to unpack it and what its members are called."""

    name: str
    format: str
    """For the struct module, padded as the C compiler pads."""
    members: tuple[str, ...]
    """Dotted where a struct is embedded: `head.pid`, `fd`."""
    kinds: tuple[str, ...]
    alignment: int

    def offset(self, index: int) -> int:
        """Where the compiler must have put member number `index`."""
        codes, seen = "@", 0
        for code in self.format[1:]:
            if code.isalpha() and not codes.endswith("0"):
                if seen == index:
                    return struct.calcsize(codes + code) - struct.calcsize(code)
                seen += 1
            codes += code
        raise IndexError(index)


@dataclass(frozen=True)
class EventType:
    """One event type: its number on the wire, its struct, and which members are its parameters."""

    name: str
    number: int
    probe: str
    layout: Layout
    parameters: tuple[str, ...]
    """Members; the parameter is called by the last word of the dotted name."""


@dataclass(frozen=True)
class Program:
    """One C function and the tracepoint it is for."""

    function: str
    probe: str
    raw: bool
    tracepoint: str
    """`category:event`, or the event alone where it is a raw tracepoint."""

    @property
    def name(self) -> str:
        """What the kernel's tools call it: at most 15 bytes."""
        return self.tracepoint.rpartition(":")[2].removeprefix("sys_").removeprefix("sched_")[:15]


@dataclass(frozen=True)
class Schema:
    """Everything the C files declare."""

    sources: dict[str, str]
    layouts: dict[str, Layout]
    events: tuple[EventType, ...]
    programs: tuple[Program, ...]

    def text(self) -> str:
        """The module's C text: common part first, then the probes, then the checks of every layout."""
        parts = [f'#line 1 "{name}"\n{text}' for name, text in self.sources.items()]
        return "\n".join([*parts, *self.assertions()])

    def assertions(self) -> list[str]:
        """C lines that fail to compile where a struct is not laid out as this reader believes."""
        lines = []
        for layout in self.layouts.values():
            places = {
                f"sizeof(struct {layout.name})": struct.calcsize(layout.format),
                **{
                    f"__builtin_offsetof(struct {layout.name}, {member})": layout.offset(index)
                    for index, member in enumerate(layout.members)
                },
            }
            lines += [f'_Static_assert({place} == {at}, "{place}");' for place, at in places.items()]
        return lines


def _layout(name: str, body: str, known: dict[str, Layout], where: str) -> Layout:
    codes, alignment = "@", 1
    members: list[str] = []
    kinds: list[str] = []
    for statement in _COMMENT.sub("", body).split(";"):
        line = " ".join(statement.split())
        if not line:
            continue
        found = _MEMBER.match(line)
        if found is None:
            raise SchemaError(f"{where}: struct {name}: cannot read the member {line!r}")
        embedded, kind, names = found.groups()
        for member in names.split(", "):
            if embedded:
                if kind not in known:
                    raise SchemaError(f"{where}: struct {name}: struct {kind} is not declared before it")
                inner = known[kind]
                padding = f"0{_of_size(inner.alignment)}"
                codes += padding + inner.format[1:]
                members += [f"{member}.{word}" for word in inner.members]
                kinds += inner.kinds
                alignment = max(alignment, inner.alignment)
            elif kind in _CODES:
                codes += _CODES[kind]
                members.append(member)
                kinds.append(kind)
                alignment = max(alignment, struct.calcsize(_CODES[kind]))
            else:
                raise SchemaError(f"{where}: struct {name}: type {kind!r} is not one of the schema's")
    return Layout(name, f"{codes}0{_of_size(alignment)}", tuple(members), tuple(kinds), alignment)


def _of_size(size: int) -> str:
    return {1: "B", 2: "H", 4: "I", 8: "Q"}[size]


def offsets_used(text: str) -> set[tuple[str, str]]:
    """Every (struct, member) of the kernel whose offset the C text asks for by OFFSET() or READ()."""
    code = _DEFINE.sub("", _COMMENT.sub("", text))
    found = set()
    for call in _OFFSET_CALL.finditer(code):
        depth, position = 1, call.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(code[position], 0)
            position += 1
        # Both macros end with the struct and the member, which are plain words.
        container, member = code[call.end() : position - 1].rsplit(",", 2)[-2:]
        found.add((container.strip(), member.strip()))
    return found


def read(common: Path, probes: Sequence[Path]) -> Schema:
    """Parse common.h and the probes' files; raises SchemaError, or OSError if a file cannot be read."""
    sources = {path.name: path.read_text() for path in (common, *probes)}
    layouts: dict[str, Layout] = {}
    events: list[EventType] = []
    programs: list[Program] = []
    for file, text in sources.items():
        probe = file.removesuffix(".c")
        for name, body in _STRUCT.findall(text):
            if name not in _INTERNAL:
                layouts[name] = _layout(name, body, layouts, file)
        for declared in _EVENT.findall(text):
            name, layout, *parameters = (word.strip() for word in declared.split(","))
            if layout not in layouts:
                raise SchemaError(f"{file}: EVENT({name}): struct {layout} is not declared before it")
            missing = [word for word in parameters if word not in layouts[layout].members]
            if missing:
                raise SchemaError(f"{file}: EVENT({name}): struct {layout} has no {', '.join(missing)}")
            events.append(EventType(name, len(events) + 1, probe, layouts[layout], tuple(parameters)))
        for macro, event in _PROGRAM.findall(text):
            if macro == "RAW":
                programs.append(Program(f"raw__{event}", probe, True, event))
            else:
                function = f"on__syscalls__sys_exit_{event}"
                programs.append(Program(function, probe, False, f"syscalls:sys_exit_{event}"))
    return Schema(sources, layouts, tuple(events), tuple(programs))
