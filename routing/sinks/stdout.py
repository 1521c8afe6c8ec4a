"""Standard output: every message is a line of JSON there, for whatever collects the output of the worker."""

import os
import threading
from dataclasses import dataclass

from routing.kinds import option
from routing.sinks import document
from routing.sinks.base import Message, Outcome, Sender, Verdict

MOST_BYTES = 16_000
"""Of a line: container runtimes cut longer ones in two at 16 KiB."""
STDOUT = 1
_writing = threading.Lock()


class Stdout(Sender):
    """Writes messages to the output of the process that sends them."""

    kind = "stdout"
    label = "Standard output"
    sends_acknowledged = True

    @dataclass(frozen=True)
    class Config:
        prefix: str = option(
            "Goes before each line, so that it can be told from log lines.", label="Prefix", default=""
        )

    def send(self, message: Message) -> Outcome:
        prefix = "".join(letter for letter in self.config.prefix if letter.isprintable())[:100].strip()
        before = (f"{prefix} " if prefix else "").encode()
        line = before + document.fitted(message, MOST_BYTES - len(before)) + b"\n"
        shown = line.decode("utf-8", "replace")
        try:
            # Not sys.stdout, which the worker turns into its log.
            with _writing:
                rest = memoryview(line)
                while rest:
                    rest = rest[os.write(STDOUT, rest) :]
        except OSError as error:
            return Outcome(Verdict.RETRY, f"Standard output cannot be written: {error.strerror}", request=shown)
        return Outcome(Verdict.SENT, request=shown)
