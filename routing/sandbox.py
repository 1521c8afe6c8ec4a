"""People's own words for messages: Jinja templates that can do no harm, however they are written.

A template sees plain data, reaches no attribute of Python, and is made of a short list of statements, filters and
methods. What could grow is bounded: source, numbers, ranges, every text that is put together, and the output.

The time limit is one of the thread's processor time, and nothing is interrupted: it is looked at at every turn of a
loop, filter, call, operator, attribute and piece of output. Between two looks only one bounded step can happen, so a
template overruns its limit by some milliseconds at most.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from types import BuiltinMethodType
from typing import Any, TypeVar

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import htmlsafe_json_dumps
from jinja2.visitor import NodeTransformer
from markupsafe import Markup

MOST_SOURCE = 16 * 1024
"""Characters of a template."""
MOST_OUTPUT = 256 * 1024
"""Characters of what comes out, and of any text on the way."""
MOST_RANGE = 1_000
MOST_NUMBER = 10**30
SECONDS = 0.25

_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int", "items"),
    *("last", "length", "list", "lower", "max", "min", "reject", "rejectattr", "select", "selectattr"),
    *("sort", "string", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount"),
)
_METHODS = {
    str: {"endswith", "find", "lower", "lstrip", "rstrip", "split", "splitlines", "startswith", "strip", "upper"},
    dict: {"get", "items", "keys", "values"},
}
_NODES: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.With),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call),
    *(nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Keyword, nodes.Concat, nodes.Compare, nodes.Operand),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
    *(nodes.And, nodes.Or, nodes.Not),
)
_ends_at: ContextVar[float] = ContextVar("_ends_at")
T = TypeVar("T")


class TemplateError(Exception):
    """A template that cannot be used; `line` is where, 0 where that is not known."""

    def __init__(self, message: str, line: int = 0) -> None:
        text = message.rstrip(".")
        super().__init__(f"line {line}: {text}" if line else text)
        self.line = line


def render(source: str, context: Mapping[str, Any], *, html: bool = False) -> str:
    """What a template makes of a context; in `html` values are escaped. Raises TemplateError."""
    with _limited():
        template = _compiled(source, html)
        pieces: list[str] = []
        size = 0
        for piece in template.generate(context):
            _look()
            pieces.append(piece)
            size += len(piece)
            if size > MOST_OUTPUT:
                raise SecurityError(f"it makes more than {MOST_OUTPUT:,} characters")
        made = "".join(pieces).strip()
        made.encode()  # Half a character can be written in a template, and cannot be sent.
        return made


@contextmanager
def _limited() -> Iterator[None]:
    """Sets the time limit, and turns what goes wrong into a TemplateError."""
    token = _ends_at.set(time.thread_time() + SECONDS)
    try:
        yield
    except TemplateSyntaxError as error:
        raise TemplateError(str(error.message), error.lineno) from None
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None
    except Exception as error:
        # Jinja asserts, Python's compiler has limits of its own: whatever it is, it is the template's.
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
        raise TemplateError(str(error) or type(error).__name__, (lines or [0])[-1] or 0) from None
    finally:
        _ends_at.reset(token)


def _look() -> None:
    if time.thread_time() > _ends_at.get():
        raise SecurityError(f"it takes more than {SECONDS:g} s")


def _bounded(value: T) -> T:
    """The value, where it is not too large."""
    if isinstance(value, int) and abs(value) > MOST_NUMBER:
        raise SecurityError("the number is too large")
    if isinstance(value, str | list | tuple) and len(value) > MOST_OUTPUT:
        raise SecurityError(f"a text on the way has more than {MOST_OUTPUT:,} characters")
    return value


def _each(values: Iterable[T]) -> Iterator[T]:
    """A loop's values, looking at the clock at every turn."""
    for value in values:
        _look()
        yield value


def _joined(values: Iterable[Any], separator: str = "") -> str:
    """Texts in a row: the filter `join`, and what `~` becomes."""
    parts: list[str] = []
    size = 0
    for value in _each(values):
        parts.append(str(value))
        size += len(parts[-1]) + len(separator)
        if size > MOST_OUTPUT:
            raise SecurityError(f"a text on the way has more than {MOST_OUTPUT:,} characters")
    return separator.join(parts)


def _replaced(text: Any, old: str, new: str) -> str:
    """The filter `replace`."""
    said = str(text)
    if not old:
        raise SecurityError("replace needs a text that it looks for")
    if len(said) + said.count(old) * len(new) > MOST_OUTPUT:
        raise SecurityError(f"a text on the way has more than {MOST_OUTPUT:,} characters")
    return said.replace(old, new)


def _rounded(value: float, precision: int = 0) -> float:
    """The filter `round`; Jinja's own would take a power of any size."""
    return round(value, max(0, min(precision, 15)))


def _as_json(value: Any) -> Markup:
    """The filter `tojson`, without indentation, which could be of any width."""
    return htmlsafe_json_dumps(value)


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MOST_RANGE:
        raise SecurityError(f"a range has at most {MOST_RANGE:,} numbers")
    return found


def _watched(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that looks at the clock and whose result is bounded; what Jinja marked on it stays."""

    @wraps(function)
    def watched(*arguments: Any, **keywords: Any) -> Any:
        _look()
        return _bounded(function(*arguments, **keywords))

    return watched


class _Closed(NodeTransformer):
    """Refuses what is not listed, and puts `_each` around what loops walk and `_joined` in place of `~`."""

    def visit(self, node: nodes.Node, *arguments: Any, **keywords: Any) -> Any:
        if not isinstance(node, _NODES):
            raise TemplateSyntaxError(f"{type(node).__name__.lower()} cannot be used here", node.lineno or 0)
        return super().visit(node, *arguments, **keywords)

    def visit_List(self, node: nodes.List) -> nodes.Node:
        """Only of constants: lists of lists of the same list would be larger than they look."""
        if any(not isinstance(item, nodes.Const) for item in node.items):
            raise TemplateSyntaxError("a list can only hold texts and numbers as they are", node.lineno)
        return node

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        """As lists, where it is not the names that something is put under."""
        if node.ctx == "load" and any(not isinstance(item, nodes.Const) for item in node.items):
            raise TemplateSyntaxError("a list can only hold texts and numbers as they are", node.lineno)
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise TemplateSyntaxError("loops cannot be recursive here", node.lineno)
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, "_each", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        row = nodes.List(node.nodes, lineno=node.lineno)
        return nodes.Filter(row, "_joined", [], [], None, None, lineno=node.lineno)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%"})

    def __init__(self, *, html: bool) -> None:
        super().__init__(
            autoescape=html,
            cache_size=0,
            # What is constant would be reckoned when a template is read.
            optimized=False,
            trim_blocks=True,
            lstrip_blocks=True,
            # A field that an alert does not have is empty, however deep it is asked for.
            undefined=ChainableUndefined,
        )
        own: dict[str, Callable[..., Any]] = {
            "join": _joined,
            "replace": _replaced,
            "round": _rounded,
            "tojson": _as_json,
            "_joined": _joined,
        }
        self.filters = {name: _watched(self.filters[name]) for name in _FILTERS}
        self.filters |= {name: _watched(function) for name, function in own.items()} | {"_each": _each}
        self.globals = {"range": _range}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed: nodes.Template = _Closed().visit(super()._parse(source, name, filename))
        return parsed

    def getattr(self, obj: Any, attribute: str) -> Any:
        _look()
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        _look()
        return super().getitem(obj, argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Methods of the list, and what a loop knows of itself."""
        if isinstance(obj, LoopContext):
            return not attr.startswith("_")
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def is_safe_callable(self, obj: Any) -> bool:
        return obj is _range or isinstance(obj, BuiltinMethodType)

    def call(self, context: Any, obj: Any, /, *arguments: Any, **keywords: Any) -> Any:
        _look()
        return _bounded(super().call(context, obj, *arguments, **keywords))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        _look()
        texts = isinstance(left, str) and isinstance(right, str)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers and not (texts and operator == "+"):
            raise SecurityError(f"{operator} is for numbers")
        return _bounded(super().call_binop(context, operator, left, right))


@lru_cache(maxsize=2)
def _environment(html: bool) -> _Environment:
    return _Environment(html=html)


@lru_cache(maxsize=256)
def _compiled(source: str, html: bool) -> Template:
    """Read once for many messages."""
    if len(source) > MOST_SOURCE:
        raise SecurityError(f"it has more than {MOST_SOURCE:,} characters")
    return _environment(html).from_string(source)
