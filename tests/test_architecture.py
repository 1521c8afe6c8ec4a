"""What keeps the house in order as it grows: completeness of the docs, sizes, and who may see which page.

Every list of exceptions fails when an entry is no longer needed.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import grimp
import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from routing import actions, sinks

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 300
# A test module has its code module's name, so it cannot be split alone.
LONGEST_TEST = 500
LONGER = {
    "bpf/common.h": "one header that every probe includes; its parts need each other",
    "routing/outbound.py": "the address check and the client that enforces it are read together",
    "sensor/fields/process.py": "a table: one entry a field",
    "sensor/rules/parser.py": "the whole grammar of conditions, one method a level",
}
CODE = ("routing", "sensor", "sensorapp", "bpf", "templates", "tests", "deploy")
SUFFIXES = {".py", ".c", ".h", ".html", ".css", ".js", ".txt"}
# Made by programs, or somebody else's.
NOT_OURS = ("/migrations/", "/vendor/", "/fixtures/", "/include/")

# Pages without a permission, by URL name.
OPEN_PAGES = {"sign-in": "where strangers are sent", "sign-out": "ends one's own session"}


def code() -> Iterator[tuple[str, Path]]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in SUFFIXES and path.is_file() and not any(part in f"/{name}" for part in NOT_OURS):
                yield name, path


def test_no_file_is_long_without_a_reason():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in code()}
    long = {
        name for name, length in lengths.items() if length > (LONGEST_TEST if name.startswith("tests/") else LONGEST)
    }
    assert long - LONGER.keys() == set(), "split them, or give a reason in LONGER"
    assert LONGER.keys() - long == set(), "not long any more: remove them from LONGER"


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "common", "misc", "tools"}
    assert [name for name, path in code() if path.suffix == ".py" and path.stem in drawers] == []


@pytest.mark.parametrize(
    ("kind", "options", "page"),
    [
        *((kind, kind.Config, "docs/sinks.md") for kind in sinks.kinds().values()),
        *((kind, kind.Params, "docs/responses.md") for kind in actions.kinds().values()),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_every_kind_and_option_is_documented(kind, options, page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.search(rf"^##+ {re.escape(kind.label)}$", text, re.MULTILINE), f"{page} has no heading {kind.label}"
    table = re.search(rf"<!-- options: {kind.kind} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    documented = re.findall(r"^\| [^|]+ \| `(\w+)` \|", table[1], re.MULTILINE) if table else []
    assert documented == [field.name for field in fields(options)]


def kinds_in(package: str) -> set[str]:
    """Modules of a package that define a kind."""
    folder = ROOT / package.replace(".", "/")
    return {
        f"{package}.{path.stem}" for path in folder.glob("*.py") if re.search(r"^    kind = ", path.read_text(), re.M)
    }


def test_no_kind_knows_another():
    graph = grimp.build_graph("routing", cache_dir=None)
    for package in ("routing.sinks", "routing.actions"):
        kinds = kinds_in(package)
        assert kinds
        for module in kinds:
            assert graph.find_modules_directly_imported_by(module) & kinds == set(), f"{module} knows another kind"


def test_every_check_has_its_own_id_and_is_documented():
    source = (ROOT / "routing/checks.py").read_text(encoding="utf-8")
    given = re.findall(r'id="(routing\.[EW]\d{3})"', source)
    assert len(given) == len(set(given))
    documented = re.findall(r"^\| `(routing\.[EW]\d{3})` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(given)


READERS = {"text", "flag", "number", "words", "database", "secret", "kept_secret"}
# Set for the interpreter and the frameworks by our own entry points; nobody else should.
NOT_SETTINGS = {"DJANGO_SETTINGS_MODULE"}


def settings_read() -> set[str]:
    """Environment variables that the server's code reads, through `sensorapp.env` or directly."""
    found = set()
    for name, path in code():
        if not name.startswith(("routing/", "sensorapp/")) or path.suffix != ".py" or name == "sensorapp/env.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="env"), attr=reader), args=[ast.Constant(value=str(read)), *_]
                ) if reader in READERS:
                    found.add(read)
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get" | "setdefault"),
                    args=[ast.Constant(value=str(read)), *_],
                ):
                    found.add(read)
                case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(read))):
                    found.add(read)
    return found - NOT_SETTINGS


def test_every_setting_is_documented_and_nothing_else_is():
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == settings_read()


def pages(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield pattern
        elif pattern.urlconf_name and getattr(pattern.urlconf_name, "__name__", "") == "routing.urls":
            yield from pages(pattern.url_patterns)


def test_every_page_takes_a_permission():
    found = list(pages(get_resolver().url_patterns))
    assert found
    unguarded = {pattern.name for pattern in found if not hasattr(pattern.callback, "permission")}
    assert unguarded == OPEN_PAGES.keys()


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_the_docs_leads_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    missing = [
        target
        for target in targets
        if not target.startswith(("http://", "https://", "mailto:")) and not (document.parent / target).exists()
    ]
    assert missing == []
