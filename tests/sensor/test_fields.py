"""The catalogs: complete, documented, readable for any event, and never a reason to fail."""

from pathlib import Path

import pytest

from sensor.event import Event, Fd, Process, RelativePath
from sensor.fields import ALL, SYSCALL, Catalog, Field, Type, UnknownField, by_name, flags, listing, lookups
from sensor.fields.coerce import coerced, coerced_list
from sensor.sources import replay

ROOT = Path(__file__).parents[2]
SESSION = ROOT / "tests/fixtures/events/session.jsonl.gz"
EVERY = [pytest.param(catalog, field, id=f"{catalog.name}-{field.name}") for catalog in ALL.values()
         for field in catalog.fields.values()]  # fmt: skip


def argument_for(field: Field) -> str | None:
    if field.argument == "none":
        return None
    if field.name in ("evt.arg", "evt.rawarg"):
        return "flags"
    if field.name == "evt.type.is":
        return "open"
    return "5" if field.index or field.name == "evt.around" else "/a" if field.name.endswith("value") else "a"


@pytest.mark.parametrize(("catalog", "field"), EVERY)
def test_every_field_reads_from_an_empty_event_without_failing(catalog, field):
    empty = Event(type="", time=0, source=catalog.name)
    hollow = Event(type="openat", time=0, source=catalog.name, proc=Process(pid=1), fd=Fd(), payload={})
    for event in (empty, hollow):
        catalog.find(field.name, argument_for(field)).read(event)
        if field.argument == "optional":
            catalog.find(field.name).read(event)


@pytest.mark.parametrize(("catalog", "field"), EVERY)
def test_every_field_is_documented_in_one_sentence(catalog, field):
    assert field.doc.strip().endswith((".", "…"))
    assert len(field.doc) <= 150


def test_every_field_reads_from_recorded_events():
    readers = [SYSCALL.find(one.name, argument_for(one)).read for one in SYSCALL.fields.values()]
    seen = [False] * len(readers)
    for number, event in enumerate(replay.events(SESSION)):
        if number % 50 == 0:
            for at, read in enumerate(readers):
                seen[at] = read(event) is not None or seen[at]
    assert sum(seen) > 150


def test_the_page_of_fields_is_current():
    page = (ROOT / "docs/fields.md").read_text()
    assert page == listing.markdown(ALL.values()), "run: python -m sensor fields --markdown > docs/fields.md"


def test_a_misspelt_field_is_guessed_and_an_argument_that_does_not_fit_is_told():
    with pytest.raises(UnknownField) as caught:
        SYSCALL.find("proc.nmae")
    assert SYSCALL.nearest(caught.value.misspelt) == "proc.name"
    for name, argument, message in (
        ("proc.name", "1", "takes no argument"),
        ("proc.aname", "x", "takes a number"),
        ("container.mount.dest", None, "needs an argument"),
        ("json.value", "no/slash", "begins with a slash"),
    ):
        with pytest.raises(UnknownField, match=message):
            SYSCALL.find(name, argument)


def test_a_name_declared_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        by_name([Field(name="a.b", type=Type.CHARBUF, doc="")] * 2)


def test_catalogs_join_and_the_first_to_have_a_name_wins():
    one = Catalog("one", by_name([Field(name="a.b", type=Type.CHARBUF, doc="mine")]))
    two = Catalog("two", by_name([Field(name="a.b", type=Type.UINT64, doc="theirs"),
                                  Field(name="a.c", type=Type.UINT64, doc="")]))  # fmt: skip
    joined = one.joined("both", two)
    assert (joined.fields["a.b"].doc, set(joined.fields)) == ("mine", {"a.b", "a.c"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "O_RDONLY"),
        (1, "O_WRONLY"),
        (0o102, "O_RDWR|O_CREAT"),
        (0o1101, "O_WRONLY|O_CREAT|O_TRUNC"),
        (0o2000000, "O_RDONLY|O_CLOEXEC"),
        (0o4010000, "O_RDONLY|O_SYNC"),
        (0o20200002, "O_RDWR|O_TMPFILE"),
        (0o200000, "O_RDONLY|O_DIRECTORY"),
    ],
)
def test_the_flags_of_open_have_their_names(value, text):
    assert flags.opened(value) == text


def test_capabilities_are_named_in_the_order_of_their_bits():
    assert flags.capabilities(1 | 1 << 21 | 1 << 40) == "CAP_CHOWN CAP_SYS_ADMIN CAP_CHECKPOINT_RESTORE"


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (Type.UINT64, "5", 5),
        (Type.UINT64, "x", None),
        (Type.UINT64, True, 1),
        (Type.BOOL, "true", True),
        (Type.BOOL, "maybe", None),
        (Type.CHARBUF, 5, "5"),
        (Type.CHARBUF, True, "true"),
        (Type.BYTEBUF, "ab", b"ab"),
        (Type.CHARBUF, ["a", 1], '["a",1]'),
        (Type.CHARBUF, None, None),
        (Type.DYN, 5, 5),
    ],
)
def test_values_from_json_become_what_comparisons_expect(kind, value, result):
    assert coerced(kind, value) == result


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (Type.CHARBUF, ["a", 1, None, {"b": 2}], ["a", "1", '{"b":2}']),
        (Type.CHARBUF, "one", ["one"]),
        (Type.UINT64, ["1", "x", 2], [1, 2]),
        (Type.UINT64, None, None),
    ],
)
def test_lists_from_json_keep_what_can_be_compared(kind, value, result):
    assert coerced_list(kind, value) == result


@pytest.fixture
def known_node(monkeypatch):
    """A node that knows one user and one container."""

    class Bob:
        name, home, shell = "bob", "/home/bob", "/bin/zsh"

    monkeypatch.setattr(lookups, "_current", lookups.Lookups())
    lookups.answer_with(
        user=lambda uid: Bob() if uid == 1000 else None,
        group=lambda gid: "staff" if gid == 50 else None,
        container={"3ad7b26ded6d": {"container.name": "web", "container.mounts": "/proc:/host/proc:ro:false:private,"
                                    "/data:/var/data:rw:true:private", "container.labels": {"app": "shop"},
                                    "container.start_ts": 5}}.get,
        hostname="node-1",
    )  # fmt: skip


def value(name: str, argument: str | None = None, **process: object) -> object:
    return SYSCALL.find(name, argument).read(Event(type="execve", time=9, proc=Process(pid=1, **process)))


@pytest.mark.usefixtures("known_node")
def test_names_come_from_the_nodes_lookups_and_what_it_does_not_know_is_na():
    assert value("user.name", uid=1000) == "bob"
    assert value("user.homedir", uid=1000) == "/home/bob"
    assert value("user.shell", uid=1000) == "/bin/zsh"
    assert value("user.loginname", loginuid=1000) == "bob"
    assert value("user.name", uid=7) == "<NA>"
    assert value("user.name", uid=0) == "root"
    assert value("user.loginname", loginuid=-1) == "<NA>"
    assert value("user.name") is None
    assert value("group.name", gid=50) == "staff"
    assert value("group.name", gid=0) == "root"
    assert value("evt.hostname") == "node-1"


@pytest.mark.usefixtures("known_node")
def test_containers_come_from_the_nodes_lookups_and_the_host_is_always_known():
    inside = {"container_id": "3ad7b26ded6d"}
    assert value("container.name", **inside) == "web"
    assert value("container.name", container_id="host") == "host"
    assert value("container.image.repository", container_id="host") == ""
    assert value("container.privileged", container_id="host") is False
    assert value("k8s.ns.name", container_id="host") is None
    assert value("container.name", container_id="unknown") is None
    assert value("container.mount.dest", "/pro*", **inside) == "/host/proc"
    assert value("container.mount.source", "/var/data", **inside) == "/data"
    assert value("container.mount.dest", "1", **inside) == "/var/data"
    assert value("container.mount.mode", "/data", **inside) == "rw"
    assert value("container.mount.dest", "/nowhere", **inside) is None
    assert value("container.label.app", **inside) == "shop"
    assert value("container.label", "app", **inside) == "shop"
    assert value("container.duration", **inside) == 4


def test_a_path_below_another_directory_is_read_from_there_and_not_from_the_processs():
    name = RelativePath("auth.log", "/var/log/auth.log")
    event = Event("unlinkat", 0, args={"dirfd": 5, "name": name}, proc=Process(pid=7, cwd="/root"), res=0)
    assert SYSCALL.find("fs.path.name").read(event) == "/var/log/auth.log"
    assert SYSCALL.find("evt.arg", "name").read(event) == "/var/log/auth.log"
    assert SYSCALL.find("fs.path.nameraw").read(event) == "auth.log"


@pytest.mark.parametrize("spelled", ["//var/log/auth.log", "/var/./log//auth.log", "/etc/../var/log/auth.log"])
def test_no_spelling_of_a_path_escapes_a_rule(spelled):
    event = Event("unlink", 0, args={"path": spelled}, proc=Process(pid=7, cwd="/root"), res=0)
    assert SYSCALL.find("fs.path.name").read(event) == "/var/log/auth.log"
    assert SYSCALL.find("fs.path.nameraw").read(event) == spelled
