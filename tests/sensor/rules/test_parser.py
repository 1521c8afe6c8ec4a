"""The parser: what it prints it parses, nesting has an end, and every node knows where it stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.rules import RuleError, ast, parse
from sensor.rules.parser import MAX_DEPTH, MAX_LENGTH

names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(lambda name: name not in ("and", "or", "not"))
fields = st.builds(ast.Field, st.builds("{}.{}".format, names, names), st.none() | st.text(min_size=1, max_size=6))
values = st.builds(ast.Value, st.text(max_size=12))
lists = st.builds(ast.Items, st.lists(values, max_size=4).map(tuple))
literals = st.builds(ast.Value, st.text(max_size=8))
operands = st.recursive(
    fields | literals,
    lambda inner: (
        st.builds(
            ast.Transform,
            st.sampled_from(["tolower", "concat", "len"]),
            st.lists(inner, max_size=3).map(tuple),
        )
        | st.builds(
            ast.Transform,
            st.just("join"),
            st.tuples(literals, st.builds(ast.Items, st.lists(inner, max_size=3).map(tuple))),
        )
    ),
    max_leaves=4,
)
lefts = fields | operands.filter(lambda one: isinstance(one, ast.Transform))
rights = st.builds(ast.FieldValue, fields) | operands.filter(lambda one: isinstance(one, ast.Transform))
checks = (
    st.builds(ast.Exists, lefts)
    | st.builds(ast.Compare, lefts, st.sampled_from(["=", "!=", "==", "contains", "glob", "regex"]), values | rights)
    | st.builds(ast.Compare, lefts, st.sampled_from(["in", "intersects", "pmatch"]), lists | rights)
    | st.builds(ast.Compare, lefts, st.sampled_from(["=", "startswith"]), lists, st.sampled_from(["oneof", "allof"]))
    | st.builds(ast.Compare, lefts, st.sampled_from(["<", ">="]), st.integers().map(str).map(ast.Value) | rights)
    | st.builds(ast.Name, names)
)


def joined(inner: st.SearchStrategy) -> st.SearchStrategy:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    negated = st.builds(ast.Not, inner.filter(lambda one: not isinstance(one, ast.Not)))
    return st.builds(ast.And, several) | st.builds(ast.Or, several) | negated


conditions = st.recursive(checks, joined, max_leaves=12)


@given(conditions)
def test_printing_a_tree_and_parsing_the_print_gives_the_same_tree(tree):
    assert parse(str(tree)) == tree


@given(conditions)
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
