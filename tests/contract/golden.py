"""What a kind of sink that speaks HTTP sends for the sample message, for its file in tests/fixtures/sinks.

`python -m tests.contract` writes the bodies that a file does not have yet; whoever adds them reads them.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from pytest_httpserver import HTTPServer
from werkzeug import Request

from routing import sinks
from routing.sinks.base import Sender
from routing.sinks.http import HttpSender
from tests.routing.sinks import samples


def told(kind: type[Sender], event: str) -> bool:
    """Whether a kind is told of such an event."""
    return {"resolved": kind.sends_resolved, "acknowledged": kind.sends_acknowledged}.get(event, True)


def documents(request: Request) -> Any:
    """The body of a request: one JSON document, one a line, the fields of a form, or else its text."""
    body = request.get_data(as_text=True)
    if request.mimetype == "application/x-ndjson":
        return [json.loads(line) for line in body.splitlines()]
    if request.mimetype == "application/x-www-form-urlencoded":
        return dict(parse_qsl(body, keep_blank_values=True))
    return json.loads(body) if request.mimetype.endswith("json") else body


def sent(kind: str, event: str) -> Any:
    """What the kind sends now."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request(re.compile(".*")).respond_with_data("")
        address = server.url_for("").rstrip("/")
        outcome = sinks.sender_for(kind, samples.options(kind, address)).deliver(samples.message(event))
        if not server.log:
            raise SystemExit(f"{kind} sent nothing: {outcome.error}")
        return documents(server.log[0][0])


def record() -> None:
    """Add to every file what it has not; those with an event of their own are left alone."""
    for name, kind in sinks.kinds().items():
        path = samples.FIXTURES / f"{name}.json"
        held = json.loads(path.read_text(encoding="utf-8"))
        missing = [event for event in samples.EVENTS if told(kind, event) and event not in held]
        if not issubclass(kind, HttpSender) or not missing:
            continue
        held |= {event: sent(name, event) for event in missing}
        path.write_text(json.dumps(held, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"{path}: wrote {', '.join(missing)}; read whether that is what the receiver shall get")
