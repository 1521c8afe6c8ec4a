"""The baseline of ingest: an ASGI application that parses alerts and answers 202, and stores nothing."""

from typing import Any

import msgspec

from routing.admission import Posted

_one = msgspec.json.Decoder(Posted)
_many = msgspec.json.Decoder(list[Posted])


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    count = len(_many.decode(body)) if body.startswith(b"[") else len([_one.decode(body)] if body else [])
    answer = b'{"accepted":%d}' % count
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 202, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
