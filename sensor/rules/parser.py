"""Text of a condition → tree. The grammar is Falco's, to the letter where rule files can tell the difference."""

from collections.abc import Callable

from sensor.alert import Priority
from sensor.rules import advice, ast, lexer
from sensor.rules.errors import RuleError, Source, Span
from sensor.rules.lexer import COMPILE_ERROR, Cursor

MAX_DEPTH = 100
"""Parentheses and transformers within each other. Upstream's own limit, which it does not enforce."""
MAX_LENGTH = 1 << 19
"""Characters of one condition."""

PRIORITIES = frozenset({*Priority.__members__, "INFO"})
BLANK_OR_OPEN = (" ", "\t", "\b", "\r", "\n", "(")


def parse(text: str | bytes, name: str = "condition", *, priorities: bool = False) -> ast.Expr:
    """The tree of a condition; raises RuleError at the first thing that is not in the grammar.

    With `priorities`, an ordered comparison also takes the name of a priority; conditions over alerts use it.
    """
    return parse_source(Source(name, decoded(text, name)), priorities=priorities)


def decoded(text: str | bytes, name: str) -> str:
    """Text from bytes; raises RuleError where they are not UTF-8."""
    if isinstance(text, str):
        return text
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        shown = Source(name, text.decode(errors="replace"))
        start = len(text[: error.start].decode(errors="replace"))
        raise RuleError(COMPILE_ERROR, "the text is not UTF-8", Span(shown, start, start + 1)) from None


def parse_source(source: Source, *, priorities: bool = False) -> ast.Expr:
    """As `parse`, for a text that knows the file it came from."""
    if len(source.text) > MAX_LENGTH:
        raise RuleError(COMPILE_ERROR, f"the condition is longer than {MAX_LENGTH} characters", Span(source, 0, 1))
    return Parser(source, priorities).whole()


class Parser:
    """One pass over one condition. Methods read one construct each and leave the cursor behind it."""

    def __init__(self, source: Source, priorities: bool = False) -> None:
        self.cursor = Cursor(source)
        self.depth = 0
        self.priorities = priorities
        self.bare_end = -1
        """Where the last unquoted value ends."""

    def whole(self) -> ast.Expr:
        """The whole text as one condition."""
        cursor = self.cursor
        if not cursor.text:
            raise cursor.error("filter input string is empty")
        result = self.any_of()
        cursor.blanks()
        if cursor.at < len(cursor.text):
            raise advice.unexpected(cursor, self.bare_end)
        return result

    def any_of(self) -> ast.Expr:
        """Conditions joined by `or`."""
        cursor = self.cursor
        cursor.blanks()
        start = cursor.at
        found = [self.all_of()]
        while (joint := self._joint("or")) is not None:
            found.append(self.all_of() if joint else self.rest_of_group())
        return ast.Or(tuple(found), span=cursor.span(start)) if len(found) > 1 else found[0]

    def all_of(self) -> ast.Expr:
        """Conditions joined by `and`, which binds tighter."""
        cursor = self.cursor
        cursor.blanks()
        start = cursor.at
        found = [self.negated()]
        while (joint := self._joint("and")) is not None:
            found.append(self.negated() if joint else self.rest_of_group())
        return ast.And(tuple(found), span=cursor.span(start)) if len(found) > 1 else found[0]

    def _joint(self, keyword: str) -> bool | None:
        """Whether a keyword follows: None if not, True with a blank behind it, False with a parenthesis."""
        cursor = self.cursor
        cursor.blanks()
        if not cursor.literally(keyword):
            return None
        if cursor.blanks():
            return True
        if cursor.literally("("):
            return False
        raise cursor.error(f"expected blank or '(' after '{keyword}'")

    def negated(self) -> ast.Expr:
        """A condition with any number of `not` in front."""
        cursor = self.cursor
        cursor.blanks()
        start = cursor.at
        negations = 0
        while cursor.text.startswith("not", cursor.at) and cursor.text[cursor.at + 3 : cursor.at + 4] in BLANK_OR_OPEN:
            cursor.at += 3
            negations += 1
            if not cursor.blanks():
                break
        child = self.check()
        if negations % 2 == 0:
            return child
        # Cancelled across parentheses too, so that the printed form parses to the same tree.
        return child.child if isinstance(child, ast.Not) else ast.Not(child, span=cursor.span(start))

    def rest_of_group(self) -> ast.Expr:
        """What follows an opening parenthesis, to its closing one."""
        cursor = self.cursor
        opened = cursor.at - 1
        self.deeper(opened)
        cursor.blanks()
        result = self.any_of()
        cursor.blanks()
        if not cursor.literally(")"):
            if cursor.at < len(cursor.text):
                raise advice.unexpected(cursor, self.bare_end, "expected a ')' token")
            raise cursor.error("expected a ')' token", opened, opened + 1, "this parenthesis is never closed")
        self.depth -= 1
        return result

    def deeper(self, start: int) -> None:
        """Count one level of nesting; raises RuleError where there are too many."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.cursor.error(f"nested more than {MAX_DEPTH} levels deep", start, start + 1)

    def check(self) -> ast.Expr:
        """A group, a field or transformer with its operator, or a macro's name."""
        cursor = self.cursor
        cursor.blanks()
        start = cursor.at
        if cursor.literally("("):
            return self.rest_of_group()
        left = self.field() or self.transform()
        if left is not None:
            return self.comparison(left, start)
        name = cursor.take(lexer.IDENTIFIER)
        if name is None:
            expected = "expected a '(' token, a field check, or an identifier"
            raise advice.unexpected(cursor, self.bare_end, expected)
        return ast.Name(name, span=cursor.span(start))

    def field(self) -> ast.Field | None:
        """A field with its argument."""
        cursor = self.cursor
        start = cursor.at
        name = cursor.take(lexer.FIELD)
        if name is None:
            return None
        argument = self.argument()
        return ast.Field(name, argument, span=cursor.span(start))

    def argument(self) -> str | None:
        """What stands in brackets directly behind a name."""
        cursor = self.cursor
        if not cursor.literally("["):
            return None
        start = cursor.at
        # Upstream takes "" and refuses '' here.
        argument = None if cursor.text.startswith("''", start) else cursor.quoted()
        if argument is None:
            argument = cursor.take(lexer.ARGUMENT)
        if argument is None:
            raise cursor.error("expected a valid field argument: a quoted string or a bare string", start)
        if not cursor.literally("]"):
            raise cursor.error("expected a ']' token")
        return argument

    def transform(self) -> ast.Transform | None:
        """A transformer with its operands."""
        cursor = self.cursor
        start = cursor.at
        name = cursor.take(lexer.TRANSFORMER)
        if name is None:
            return None
        self.deeper(start)
        operands = self.operands(self.operand)
        self.depth -= 1
        argument = self.argument()
        return ast.Transform(name[:-1], operands, argument, span=cursor.span(start))

    def operands(self, one: Callable[[], ast.Operand]) -> tuple[ast.Operand, ...]:
        """Operands up to the closing parenthesis."""
        cursor = self.cursor
        cursor.blanks()
        if cursor.literally(")"):
            return ()
        found: list[ast.Operand] = []
        while True:
            cursor.blanks()
            found.append(one())
            cursor.blanks()
            if cursor.literally(")"):
                return tuple(found)
            if not cursor.literally(","):
                raise cursor.error("expected a ')' token")

    def operand(self) -> ast.Operand:
        """One operand of a transformer, which may be a list."""
        cursor = self.cursor
        start = cursor.at
        if cursor.literally("("):
            items = self.operands(self.list_operand)
            return ast.Items(items, span=cursor.span(start))
        return self.list_operand()

    def list_operand(self) -> ast.Operand:
        """One operand that is not a list."""
        cursor = self.cursor
        start = cursor.at
        literal = cursor.take(lexer.NUMBER)
        if literal is None:
            literal = cursor.quoted()
        if literal is not None:
            return self.value(literal, start)
        found = self.transform() or self.field()
        if found is not None:
            return found
        bare = lexer.BARE.match(cursor.text, start)
        if bare is not None and not ast.AMBIGUOUS.match(bare.group()):
            # Our canonical print (and upstream's) leaves such literals bare: join(->,(…)), getopt(…,nt:).
            cursor.at = bare.end()
            return self.value(bare.group(), start)
        raise cursor.error("expected a field, a nested transformer, a list or a quoted string")

    def comparison(self, left: ast.Field | ast.Transform, start: int) -> ast.Expr:
        """An operator and its right side."""
        cursor = self.cursor
        cursor.blanks()
        if cursor.literally("exists"):
            return ast.Exists(left, span=cursor.span(start))
        operator = cursor.take(lexer.NUMBER_OPERATOR)
        right: ast.Value | ast.Items | ast.Name | ast.FieldValue | ast.Transform
        modifier = ""
        if operator is not None:
            right = self.number()
        elif (operator := cursor.take(lexer.TEXT_OPERATOR)) is not None:
            spaced = cursor.blanks()
            modifier = self.modifier() if spaced else ""
            right = self.list_or_name() if modifier else self.text()
        elif (operator := cursor.take(lexer.LIST_OPERATOR)) is not None:
            cursor.blanks()
            right = self.right_hand() or self.list_or_name()
        else:
            raise advice.no_operator(cursor, str(left))
        return ast.Compare(left, operator, right, modifier, span=cursor.span(start))

    def modifier(self) -> str:
        """`oneof`, `anyof` or `allof`, where a list really follows; otherwise the word is a value."""
        found = self.cursor.take(lexer.MODIFIER)
        return found.strip() if found else ""

    def right_hand(self) -> ast.FieldValue | ast.Transform | None:
        """`val(field)` or a transformer."""
        cursor = self.cursor
        start = cursor.at
        if not cursor.literally("val("):
            return self.transform()
        cursor.blanks()
        found = self.field()
        if found is None:
            raise cursor.error("expected a field in 'val()'")
        cursor.blanks()
        if not cursor.literally(")"):
            raise cursor.error("expected a ')' token")
        argument = self.argument()
        if argument is not None:
            found = ast.Field(found.name, argument, span=found.span)
        return ast.FieldValue(found, span=cursor.span(start))

    def number(self) -> ast.Value | ast.FieldValue | ast.Transform:
        """The right side of an ordered comparison."""
        cursor = self.cursor
        cursor.blanks()
        found = self.right_hand()
        if found is not None:
            return found
        start = cursor.at
        literal = cursor.take(lexer.NUMBER) or self.ordered_word()
        if literal is None:
            raise cursor.error("expected a number value or a field with a valid transformer: a number")
        return self.value(literal, start)

    def ordered_word(self) -> str | None:
        """A priority's name where a number is expected, in conditions that have priorities."""
        cursor = self.cursor
        match = lexer.IDENTIFIER.match(cursor.text, cursor.at) if self.priorities else None
        if match is None or match.group().upper() not in PRIORITIES:
            return None
        cursor.at = match.end()
        return match.group()

    def text(self) -> ast.Value | ast.FieldValue | ast.Transform:
        """The right side of a text comparison."""
        cursor = self.cursor
        found = self.right_hand()
        if found is not None:
            return found
        start = cursor.at
        quoted = cursor.quoted()
        literal = cursor.take(lexer.BARE) if quoted is None else quoted
        if literal is None:
            hint = advice.NO_VALUE.get(cursor.text[start : start + 1], "")
            raise cursor.error("expected a string value: a quoted string or a bare string", hint=hint)
        if quoted is None:
            self.bare_end = cursor.at
        return self.value(literal, start, quoted is not None)

    def value(self, literal: str, start: int, quoted: bool = False) -> ast.Value:
        """A literal just read; raises RuleError for one that is too long."""
        if len(literal.encode(errors="surrogatepass")) > lexer.MAX_LITERAL:
            raise self.cursor.error(
                f"filter parameter too long: a value has at most {lexer.MAX_LITERAL} bytes", start, self.cursor.at
            )
        return ast.Value(literal, quoted, span=self.cursor.span(start))

    def list_or_name(self) -> ast.Items | ast.Name:
        """A list in parentheses, or the name of one."""
        cursor = self.cursor
        start = cursor.at
        if cursor.literally("("):
            items = self.operands(self.list_item)
            return ast.Items(items, span=cursor.span(start))
        name = cursor.take(lexer.IDENTIFIER)
        if name is None:
            raise cursor.error("expected a list, an identifier, or a field with a valid transformer")
        return ast.Name(name, span=cursor.span(start))

    def list_item(self) -> ast.Value:
        """One literal of a list."""
        cursor = self.cursor
        start = cursor.at
        quoted = cursor.quoted()
        literal = cursor.take(lexer.BARE) if quoted is None else quoted
        if literal is None:
            raise cursor.error("expected a list item: a quoted string or a bare string")
        return self.value(literal, start, quoted is not None)
