"""What a kind of sink that speaks HTTP sends for the sample message, for its file in tests/fixtures/sinks.

`python -m tests.contract` writes the bodies that a file does not have yet; whoever adds them reads them.
"""

import json
import re
from typing import Any

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
    """The body of a request as JSON: one document, or one a line."""
    if request.mimetype == "application/x-ndjson":
        return [json.loads(line) for line in request.get_data().splitlines()]
    return json.loads(request.get_data())


def sent(kind: str, event: str) -> Any:
    """What the kind sends now."""
    with HTTPServer(host="127.0.0.1") as server:
        server.expect_request(re.compile(".*")).respond_with_data("")
        address = server.url_for("").rstrip("/")
        sinks.sender_for(kind, samples.options(kind, address)).deliver(samples.message(event))
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
