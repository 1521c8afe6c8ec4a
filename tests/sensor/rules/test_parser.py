"""The parser: what it prints it parses, nesting has an end, and every node knows where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.rules import RuleError, ast, parse
from sensor.rules.parser import MAX_DEPTH, MAX_LENGTH
from tests.sensor.rules.vectors import UNHURRIED

NAMES = st.sampled_from(["a", "proc", "x_1", "oneof", "exists", "in", "val", "b64"])
WORDS = st.text(max_size=10)


@st.composite
def fields(draw: st.DrawFn) -> ast.Field:
    name = f"{draw(NAMES)}.{draw(NAMES)}"
    return ast.Field(name, draw(st.none() | st.text(min_size=1, max_size=6)))


@st.composite
def transforms(draw: st.DrawFn, depth: int = 2) -> ast.Transform:
    found = [draw(operands(depth - 1)) for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        found.append(ast.Items(tuple(draw(operands(depth - 1)) for _ in range(draw(st.integers(0, 2))))))
    argument = draw(st.none() | st.sampled_from(["t", "a b"]))
    return ast.Transform(draw(st.sampled_from(["tolower", "join", "getopt"])), tuple(found), argument)


@st.composite
def operands(draw: st.DrawFn, depth: int = 2) -> ast.Operand:
    if depth > 0 and draw(st.booleans()):
        return draw(transforms(depth))
    return ast.Value(draw(WORDS)) if draw(st.booleans()) else draw(fields())


@st.composite
def checks(draw: st.DrawFn) -> ast.Expr:
    left = draw(fields()) if draw(st.booleans()) else draw(transforms())
    kind = draw(st.sampled_from(["exists", "text", "number", "set", "modified", "macro"]))
    if kind == "exists":
        return ast.Exists(left)
    if kind == "macro":
        return ast.Name(draw(NAMES))
    values = ast.Items(tuple(ast.Value(draw(WORDS)) for _ in range(draw(st.integers(0, 3)))))
    if kind == "modified":
        return ast.Compare(
            left, draw(st.sampled_from(["=", "glob"])), values, draw(st.sampled_from(["oneof", "allof"]))
        )
    other = ast.FieldValue(draw(fields())) if draw(st.booleans()) else draw(transforms())
    plain, operators = {
        "text": (ast.Value(draw(WORDS)), ["=", "==", "!=", "contains", "bstartswith", "regex"]),
        "number": (ast.Value(str(draw(st.integers()))), ["<", "<=", ">", ">="]),
        "set": (values, ["in", "intersects", "pmatch"]),
    }[kind]
    return ast.Compare(left, draw(st.sampled_from(operators)), other if draw(st.booleans()) else plain)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> ast.Expr:
    """Any tree that the parser can give."""
    kind = draw(st.sampled_from(["check", "and", "or", "not"])) if depth else "check"
    if kind == "check":
        return draw(checks())
    if kind == "not":
        child = draw(conditions(depth - 1))
        return child if isinstance(child, ast.Not) else ast.Not(child)
    children = tuple(draw(conditions(depth - 1)) for _ in range(draw(st.integers(2, 3))))
    return ast.And(children) if kind == "and" else ast.Or(children)


@given(conditions())
@UNHURRIED
def test_printing_a_tree_and_parsing_the_print_gives_the_same_tree(tree):
    assert parse(str(tree)) == tree


@given(conditions())
@UNHURRIED
def test_the_print_of_a_parsed_print_is_the_same(tree):
    assert str(parse(str(tree))) == str(tree)


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("not(", ")")])
def test_nesting_beyond_the_limit_is_refused_and_nesting_up_to_it_is_not(opening, closing):
    assert parse(opening * MAX_DEPTH + "a" + closing * MAX_DEPTH)
    with pytest.raises(RuleError, match="nested more than 100 levels") as caught:
        parse(opening * (MAX_DEPTH + 1) + "a" + closing * (MAX_DEPTH + 1))
    assert caught.value.column == len(opening) * (MAX_DEPTH + 1)


def test_transformers_within_transformers_count_as_nesting():
    assert parse("tolower(" * MAX_DEPTH + "a.b" + ")" * MAX_DEPTH + " exists")
    with pytest.raises(RuleError, match="nested more than"):
        parse("tolower(" * (MAX_DEPTH + 1) + "a.b" + ")" * (MAX_DEPTH + 1) + " exists")


def test_groups_side_by_side_do_not_count_as_nesting():
    assert parse(" and ".join(["(a.b = 1)"] * (3 * MAX_DEPTH)))


def test_a_condition_longer_than_the_limit_is_refused():
    with pytest.raises(RuleError, match="longer than"):
        parse("a" * (MAX_LENGTH + 1))


def test_a_value_longer_than_upstream_stores_is_refused_in_bytes():
    assert parse(f"a.b = {'x' * 255}")
    with pytest.raises(RuleError, match="filter parameter too long"):
        parse(f"a.b = {'x' * 256}")
    with pytest.raises(RuleError, match="filter parameter too long"):
        parse(f"a.b = {'ü' * 128}")


def test_every_node_knows_where_it_is_written():
    text = "evt.type = open and not (fd.name in (/a, 'b c') or tolower(proc.name) = x)"
    tree = parse(text)
    spans = []

    def walk(node: ast.Expr) -> None:
        spans.append(text[node.span.start : node.span.end])
        for child in ast.children(node):
            walk(child)

    walk(tree)
    assert spans == [
        text,
        "evt.type = open",
        "not (fd.name in (/a, 'b c') or tolower(proc.name) = x)",
        "fd.name in (/a, 'b c') or tolower(proc.name) = x",
        "fd.name in (/a, 'b c')",
        "tolower(proc.name) = x",
    ]


def test_lines_are_counted_at_every_kind_of_line_end():
    with pytest.raises(RuleError) as caught:
        parse("a.b = 1\nand\r\nc.d ~ 1")
    assert (caught.value.line, caught.value.column) == (3, 5)


def test_bytes_are_read_as_utf8_or_refused_at_the_first_bad_one():
    assert parse("a.b = ü".encode()) == parse("a.b = ü")
    with pytest.raises(RuleError, match="not UTF-8") as caught:
        parse(b"a.b = \xc3\xbc\xff")
    assert caught.value.column == 8


def test_a_priority_may_be_ordered_only_where_priorities_are_known():
    tree = parse("alert.priority >= warning", priorities=True)
    assert str(tree) == "alert.priority >= warning"
    with pytest.raises(RuleError):
        parse("alert.priority >= warning")
    with pytest.raises(RuleError):
        parse("alert.priority >= important", priorities=True)
