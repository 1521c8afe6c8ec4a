import dataclasses
import sys
import types
from pathlib import Path

import pytest

from routing import kinds
from routing.kinds import Secret, option


class Base:
    kind: str


@dataclasses.dataclass(frozen=True)
class Options:
    url: Secret = option("Where to.")
    retries: int = option("How often.", default=3)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package of kinds, empty at first; files are added with `add`."""
    package = types.ModuleType("some_kinds")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, "some_kinds", package)
    yield package
    for name in [name for name in sys.modules if name.startswith("some_kinds.")]:
        del sys.modules[name]


def add(package: types.ModuleType, name: str, kind: str) -> None:
    source = f"from {__name__} import Base\n\n\nclass Some(Base):\n    kind = {kind!r}\n"
    (Path(package.__path__[0]) / f"{name}.py").write_text(source)


def test_options_are_described_for_programs() -> None:
    @dataclasses.dataclass(frozen=True)
    class Described:
        url: Secret = option("Where to.", label="URL")
        mode: str = option("How.", label="Mode", default="a", choices=("a", "b"))
        loud: bool = option("Whether.", label="Loud", default=False)
        port: int = option("Which.", label="Port", default=1, least=1, most=9)

    assert kinds.schema(Described) == {
        "type": "object",
        "properties": {
            "url": {"title": "URL", "description": "Where to.", "type": "string", "writeOnly": True},
            "mode": {"title": "Mode", "description": "How.", "type": "string", "enum": ["a", "b"], "default": "a"},
            "loud": {"title": "Loud", "description": "Whether.", "type": "boolean", "default": False},
            "port": {
                "title": "Port",
                "description": "Which.",
                "type": "integer",
                "default": 1,
                "minimum": 1,
                "maximum": 9,
            },
        },
        "required": ["url"],
        "additionalProperties": False,
    }


def test_a_file_in_the_package_is_a_kind(package: types.ModuleType) -> None:
    add(package, "pigeon", "pigeon")
    assert kinds.scan(package, Base)["pigeon"].kind == "pigeon"


def test_two_files_cannot_claim_one_kind(package: types.ModuleType) -> None:
    add(package, "one", "pigeon")
    add(package, "two", "pigeon")
    with pytest.raises(ValueError, match=r"some_kinds\.two and some_kinds\.one both claim the kind 'pigeon'"):
        kinds.scan(package, Base)


def test_a_file_that_cannot_be_loaded_is_an_error(package: types.ModuleType) -> None:
    (Path(package.__path__[0]) / "broken.py").write_text("import no_such_module\n")
    with pytest.raises(ImportError, match="no_such_module"):
        kinds.scan(package, Base)


def test_a_secret_does_not_show_itself_in_an_options_repr() -> None:
    options = kinds.build(Options, {"url": "https://example.org/hush"})
    assert options.url == "https://example.org/hush"
    assert "hush" not in repr(options)


def test_an_option_that_was_removed_does_no_harm() -> None:
    assert kinds.build(Options, {"url": "u", "gone": 1}).retries == 3


@dataclasses.dataclass(frozen=True)
class Many:
    key: Secret = option("Secret.")
    url: str = option("Needed.")
    mode: str = option("How.", default="a", choices=("a", "b"))
    loud: bool = option("Whether.", default=False)
    tries: int = option("How often.", default=3)
    share: float = option("How much.", default=0.5)


def test_what_a_program_says_is_filled_with_the_defaults() -> None:
    assert kinds.filled(Many, {"url": 1, "share": 2}) == {
        "url": "1",
        "mode": "a",
        "loud": False,
        "tries": 3,
        "share": 2.0,
    }


@pytest.mark.parametrize(
    ("values", "name", "said"),
    [
        ({}, "url", "is needed"),
        ({"url": "u", "ulr": "u"}, "ulr", "no option ulr; there are: loud, mode, share, tries, url"),
        ({"url": "u", "key": "k"}, "key", "is secret; it belongs to the secrets"),
        ({"url": True}, "url", "is a text"),
        ({"url": ["u"]}, "url", "is a text"),
        ({"url": "u", "loud": "yes"}, "loud", "is true or false"),
        ({"url": "u", "tries": True}, "tries", "is a whole number"),
        ({"url": "u", "mode": "c"}, "mode", "is one of: a, b"),
    ],
)
def test_an_option_that_cannot_be_is_refused_by_its_name(values: dict[str, object], name: str, said: str) -> None:
    with pytest.raises(kinds.OptionError, match=said) as error:
        kinds.filled(Many, values)
    assert error.value.name == name


def test_stored_options_are_known_with_defaults_and_without_what_no_option_is_called() -> None:
    stored = {"url": "u", "tries": 4, "key": "k", "was_removed": 1}
    assert kinds.known(Many, stored) == {"url": "u", "tries": 4, "mode": "a", "loud": False, "share": 0.5}


def leads(value: str) -> set[str]:
    if "." not in value:
        raise ValueError("Write a name with a dot")
    return {value.partition("/")[0]}


@dataclasses.dataclass(frozen=True)
class Checked:
    host: str = option("Where to.", place=leads)
    api: str = option("Where else.", place=leads, default="api.example")
    note: str = option("Anything.", default="")
    port: int = option("Which.", default=25, least=1, most=65_535)
    age: int = option("At least.", default=1, least=0)
    size: int = option("At most.", default=1, most=9)
    username: str = option("Who.", default="")
    password: Secret = option("How.", default=Secret(""))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", -5, "is 1 to 65,535"),
        ("port", 65_536, "is 1 to 65,535"),
        ("age", -1, "is at least 0"),
        ("size", 10, "is at most 9"),
        ("host", "nowhere", "Write a name with a dot."),
        ("host", "", "is needed"),
        ("note", "see https://bob:hunter2@a.example", "take them out, and use username, password"),
        ("api", "https://token@a.example", "take them out, and use username, password"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(kinds.OptionError) as error:
        kinds.filled(Checked, {"host": "a.example", name: value})
    assert (error.value.name, said in str(error.value)) == (name, True), str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_text_that_was_emptied_is_the_default() -> None:
    said = {"host": "a.example/@you", "api": "", "note": "", "port": 65_535, "age": 0, "size": 9}
    assert kinds.filled(Checked, said) == {**said, "api": "api.example", "username": ""}
