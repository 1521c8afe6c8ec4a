"""Tabs on which nothing depends: Falco's reader of YAML takes them, libyaml does not.

On an empty line, in front of a comment and inside brackets a tab indents nothing. Elsewhere it stays an error.
"""

import re

_LEADING = re.compile(r"^ *\t", re.MULTILINE)
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:''|[^'])*'")
_COMMENT = re.compile(r"(?:^|[ \t])#.*")
_OPENS = re.compile(r"(?:[:-][ \t]+|^)[\[{]")


def as_blanks(text: str) -> str:
    """The text with a blank for each such tab, so that every character keeps its place."""
    if not _LEADING.search(text):
        return text
    lines = []
    depth = 0
    for line in text.split("\n"):
        body = line.lstrip(" \t")
        indent = line[: len(line) - len(body)]
        lines.append(indent.replace("\t", " ") + body if depth or body[:1] in ("", "\r", "#") else line)
        depth = _brackets(body, depth)
    return "\n".join(lines)


def _brackets(line: str, depth: int) -> int:
    """How many brackets are open after a line that begins with `depth` of them open."""
    code = _COMMENT.sub("", _QUOTED.sub("", line))
    if not depth:
        opens = _OPENS.search(code)
        if opens is None:
            return 0
        code = code[opens.end() - 1 :]
    return max(0, depth + sum(map(code.count, "[{")) - sum(map(code.count, "]}")))
