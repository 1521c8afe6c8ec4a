"""The C files as schema: what is read from them, what is refused, and that all of them are sound."""

from pathlib import Path

import pytest

from sensor.fields.parameters import BY_EVENT
from sensor.probes import schema
from sensor.probes.loader import FOLDER, WANTED_SLOTS, probe_names, read_schema
from sensor.probes.schema import SchemaError

COMMON = "struct head {\n    u16 type;\n    u64 time; /* ns */\n};\n\nstruct pair {\n    u32 low, high;\n};\n"


def read(tmp_path: Path, text: str) -> schema.Schema:
    (tmp_path / "common.h").write_text(COMMON)
    (tmp_path / "one.c").write_text(text)
    return schema.read(tmp_path / "common.h", [tmp_path / "one.c"])


def test_a_struct_is_laid_out_as_the_compiler_does(tmp_path: Path) -> None:
    members = ("struct head head", "u8 odd", "struct pair both", "s16 x", "u64 wide", "text path")
    text = "struct made {\n" + "".join(f"    {member};\n" for member in members) + "};\n"
    layout = read(tmp_path, text).layouts["made"]
    assert layout.members == ("head.type", "head.time", "odd", "both.low", "both.high", "x", "wide", "path")
    assert [layout.offset(index) for index in range(8)] == [0, 8, 16, 20, 24, 28, 32, 40]
    assert "_Static_assert(sizeof(struct made) == 48" in "\n".join(read(tmp_path, text).assertions())


def test_events_name_their_parameters_and_programs_their_tracepoints(tmp_path: Path) -> None:
    text = (
        "struct made {\n    struct head head;\n    text path;\n};\n\n"
        "EVENT(mkdir, made, head.type, path)\nEVENT(rmdir, made)\n"
        "SYSCALL(mkdir)\n{\n}\n\nRAW(sched_process_exit)\n{\n}\n"
    )
    found = read(tmp_path, text)
    assert [(event.name, event.number, event.probe, event.parameters) for event in found.events] == [
        ("mkdir", 1, "one", ("head.type", "path")),
        ("rmdir", 2, "one", ()),
    ]
    assert [(program.function, program.raw, program.tracepoint) for program in found.programs] == [
        ("on__syscalls__sys_exit_mkdir", False, "syscalls:sys_exit_mkdir"),
        ("raw__sched_process_exit", True, "sched_process_exit"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("struct s {\n    char name[16];\n};\n", "cannot read the member 'char name\\[16\\]'"),
        ("struct s {\n    long x;\n};\n", "type 'long' is not one of the schema's"),
        ("struct s {\n    struct other x;\n};\n", "struct other is not declared before it"),
        ("EVENT(e, s)\n", "struct s is not declared"),
        ("struct s {\n    u32 x;\n};\nEVENT(e, s, x, y)\n", "struct s has no y"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SchemaError, match=said):
        read(tmp_path, text)


def test_offsets_are_found_in_nested_calls_and_not_in_comments_or_macros() -> None:
    text = (
        "#define READ(type, base, container, member) \\\n    OFFSET(container, member)\n"
        "/* OFFSET(comment, member) */\n"
        "x = READ(u64, READ(u64, task, task_struct, mm),\n         mm_struct, exe_file) + OFFSET(path, mnt);\n"
    )
    assert schema.offsets_used(text) == {("task_struct", "mm"), ("mm_struct", "exe_file"), ("path", "mnt")}


ALL = read_schema(probe_names())


def test_every_event_type_has_its_own_number_within_the_wanted_map() -> None:
    numbers = [event.number for event in ALL.events]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) < WANTED_SLOTS
    names = [event.name for event in ALL.events]
    assert len(set(names)) == len(names)


def test_every_event_has_a_parameter_only_if_the_field_catalog_knows_it() -> None:
    unknown = {
        f"{event.name}.{parameter.rpartition('.')[2]}"
        for event in ALL.events
        for parameter in event.parameters
        if parameter.rpartition(".")[2] not in BY_EVENT.get(event.name, {})
    }
    assert unknown == set()


@pytest.mark.parametrize("probe", probe_names())
def test_every_probe_says_what_it_sees_misses_and_costs(probe: str) -> None:
    text = (FOLDER / f"{probe}.c").read_text()
    top = text[: text.index("*/")]
    assert top.startswith(f"/* {probe}.c -- ")
    assert all(word in top for word in (" * Sees:", " * Misses:", " * Cost:"))


@pytest.mark.parametrize("probe", probe_names())
def test_every_probe_and_its_events_are_documented(probe: str) -> None:
    page = (FOLDER.parent / "docs/probes.md").read_text()
    assert f"### {probe}\n" in page
    section = page.split(f"### {probe}\n")[1].split("\n##")[0]
    missing = [event.name for event in ALL.events if event.probe == probe and f"`{event.name}`" not in section]
    assert missing == []
