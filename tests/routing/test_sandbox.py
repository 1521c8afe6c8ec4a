"""What templates may do, and that no template does harm: it grows, takes time or reaches into Python in vain."""

import time
from typing import Any

import pytest

from routing.sandbox import MOST_OUTPUT, MOST_SOURCE, SECONDS, TemplateError, render

CONTEXT: dict[str, Any] = {"x": "<text>", "names": ["a", "b"], "fields": {"proc.name": "cat", "n": 1}}


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("{{ x }} {{ x|upper }} {{ fields['proc.name'] ~ '!' }}", "<text> <TEXT> cat!"),
        ("{% for name in names %}{{ loop.index }}{{ name }}{% if not loop.last %}, {% endif %}{% endfor %}", "1a, 2b"),
        ("{% for name, value in fields.items() %}{{ name }}={{ value }};{% endfor %}", "proc.name=cat;n=1;"),
        ("{% for name, value in fields|dictsort %}{{ name }} {% endfor %}", "n proc.name"),
        ("{{ 'yes' if 'a' in ['a', 'b'] else 'no' }} {{ x[1:3] }} {{ 7 // 2 + 1 }}", "yes te 4"),
        ("{{ nobody.of.that.name }}{{ fields.missing|default('none') }}", "none"),
        ("{% set y = x|replace('t', 'T') %}{{ y }} {{ names|join('/') }} {{ 2.345|round(1) }}", "<TexT> a/b 2.3"),
        ("{{ fields|tojson }}", '{"proc.name": "cat", "n": 1}'),
        ("\n  {% if x %}\n  yes\n  {% endif %}\n", "yes"),
    ],
)
def test_a_template_words_what_it_is_given(source: str, made: str) -> None:
    assert render(source, CONTEXT) == made


def test_values_are_escaped_in_html_whatever_is_done_to_them() -> None:
    source = "<b>{{ x }}</b>{{ x ~ '<' }}{{ names|join('<') }}{{ x|replace('t', '<') }}"
    made = render(source, CONTEXT, html=True)
    assert made == "<b>&lt;text&gt;</b>&lt;text&gt;&lt;a&lt;b&lt;&lt;ex&lt;&gt;"


@pytest.mark.parametrize(
    "source",
    [
        "{{ x.__class__.__mro__ }}",
        "{{ names.append }}",
        "{{ loop }}{% for a in names %}{{ loop.__init__.__globals__ }}{% endfor %}",
        "{{ self.__init__ }}",
        "{{ x.format.__self__ }}",
    ],
)
def test_nothing_of_python_is_reached(source: str) -> None:
    try:
        made = render(source, CONTEXT)
    except TemplateError as error:
        made = "" if "unsafe" in str(error) else str(error)
    assert made == ""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ x.format(1) }}", "not safely callable"),
        ("{{ lipsum() }}", "not safely callable"),
        ("{{ x|attr('__class__') }}", "No filter named 'attr'"),
        ("{{ x|safe }}", "No filter named 'safe'"),
        ("{{ x|center(10) }}", "No filter named 'center'"),
        ("{% macro f() %}{% endmacro %}", "macro cannot be used"),
        ("{% include 'x' %}", "include cannot be used"),
        ("{% set a %}{{ x }}{{ x }}{% endset %}", "assignblock cannot be used"),
        ("{{ 10 ** 10 }}", "pow cannot be used"),
        ("{{ 'x' * 1000000000 }}", "* is for numbers"),
        ("{{ '%1000000000d' % 1 }}", "% is for numbers"),
        ("{{ 99999999999999999 * 99999999999999999 }}", "the number is too large"),
        ("{{ range(1001) }}", "a range has at most 1,000"),
        ("{% set a = [x, x] %}", "a list can only hold"),
        ("{% set a = (x, x) %}", "a list can only hold"),
        ("{{ x|replace('', x) }}", "replace needs"),
        ("{% set x = x ~ x %}" * 60, "a text on the way has more"),
        ("{% set x = x + x %}" * 60, "a text on the way has more"),
        ("{% set x = x|replace('t', x) %}" * 60, "a text on the way has more"),
        ("{% for a in names recursive %}{% endfor %}", "cannot be recursive"),
        ("{{ " + "(" * 3000 + "1", "nested too deeply"),
        ("x" * (MOST_SOURCE + 1), "it has more than 16,384 characters"),
        ("{% for a in range(999) %}{{ x }}{{ 'y' ~ (x|upper) }}" + "z" * 999 + "{% endfor %}", "it makes more than"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ x ~ ' and more'|truncate(-5) }}", "expected length"),
        ("{% for a in range(1) %}" * 25 + "{% endfor %}" * 25, "too many statically nested blocks"),
        ("{{ '\\ud800' }}", "surrogates not allowed"),
        ("{% if x %}", "Unexpected end of template"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(source: str, said: str) -> None:
    began = time.thread_time()
    with pytest.raises(TemplateError) as error:
        render(source, CONTEXT)
    assert said in str(error.value)
    assert time.thread_time() - began < SECONDS


@pytest.mark.parametrize(
    "inside",
    ["{% set q = 1 %}", "{% if x in names %}{% endif %}", "{{ '' }}", "{% set q = x|upper ~ x[1:] %}"],
)
def test_no_loop_outlasts_the_limit(inside: str) -> None:
    loops = "".join(f"{{% for v{number} in range(1000) %}}" for number in range(5))
    began = time.thread_time()
    with pytest.raises(TemplateError, match="takes more than"):
        render(loops + inside + "{% endfor %}" * 5, CONTEXT)
    assert time.thread_time() - began < SECONDS + 0.2


def test_errors_name_the_line() -> None:
    for source in ("one\ntwo {{ x|nope }}", "one\n{{ 1 / 0 }}\n", "one\n{% macro f() %}{% endmacro %}", "\n{{ x"):
        with pytest.raises(TemplateError, match=r"^line 2: ") as error:
            render(source, CONTEXT)
        assert error.value.line == 2


def test_output_has_a_bound() -> None:
    assert MOST_OUTPUT >= 256 * 1024
    assert len(render("{% for a in range(1000) %}{{ x }}{% endfor %}", {"x": "y" * 100})) == 100_000
