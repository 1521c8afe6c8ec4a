"""Elasticsearch and OpenSearch: one document for each alert, by the bulk API.

elastic.co, "Bulk API": lines of JSON, an action before each document; the answer is 200 even where documents were
refused, and says so in `errors` and `items`. `create` with the alert's id stores it once: 409 means that it is there.
Item statuses 429 and 5xx pass.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, count
from typing import Any
from urllib.parse import quote

import orjson

from routing.kinds import Secret, option
from routing.outbound import Answer
from routing.sinks import credentials, document, places
from routing.sinks.base import AlertFacts, Message, Outcome, Verdict
from routing.sinks.http import HttpSender, encode, verdict

MOST_BYTES = 400_000
"""Of all documents of one request together."""
MOST_DOCUMENT = 100_000
# Lucene refuses words beyond 32,766 bytes in fields that are not analysed.
MOST_VALUE = 8000
# Only what is judged. A reason quotes the value it is about, and a hundred of them are more than is read of an answer.
_ASKED = "filter_path=errors,items.*.status,items.*.error.type"
# Of the index, not of a document: another name, or a right to make it.
_OF_INDEX = {"index_not_found_exception", "invalid_index_name_exception", "index_closed_exception"}


class Elasticsearch(HttpSender):
    """Stores alerts in an index or a data stream."""

    kind = "elasticsearch"
    label = "Elasticsearch and OpenSearch"
    sends_resolved = False

    @dataclass(frozen=True)
    class Config:
        url: str = option(
            "The cluster.", label="Address", placeholder="https://elastic.example.com:9200", place=places.url
        )
        index: str = option("An index or a data stream.", label="Index", default="sensorapp-alerts")
        api_key: Secret = option("An API key, encoded, as Elasticsearch shows it.", label="API key", default=Secret(""))
        username: str = option("In place of an API key.", label="User name", default="")
        password: Secret = option("The password of that user.", label="Password", default=Secret(""))

    def send(self, message: Message) -> Outcome:
        config = self.config
        headers = credentials.authorization(config.username, config.password, config.api_key, scheme="ApiKey")
        url = f"{config.url.rstrip('/')}/{quote(config.index, safe='')}/_bulk?{_ASKED}"
        return self.post(url, self.body(message), headers={"Content-Type": "application/x-ndjson", **headers})

    def secrets(self) -> list[str]:
        return [*super().secrets(), credentials.basic(self.config.username, self.config.password)]

    def body(self, message: Message) -> bytes:
        """The lines; each ends in a line break, the last one too."""
        most = min(MOST_DOCUMENT, MOST_BYTES // len(message.alerts))
        lines = []
        for alert in message.alerts:
            lines += [encode({"create": {"_id": str(alert.uuid)}}), document.thinned(_stored(alert), most)]
        return b"\n".join([*lines, b""])

    def judge(self, answer: Answer) -> tuple[Verdict, str]:
        """What the items say, where the request as a whole was taken."""
        if not 200 <= answer.status < 300:
            return verdict(answer.status)
        items = _items(answer.body)
        if items is None:
            return (
                Verdict.RETRY,
                "The answer to the bulk request was not understood; is this Elasticsearch or OpenSearch?",
            )
        # 409: an earlier try stored it.
        refused = [item for item in items if not (200 <= item["status"] < 300 or item["status"] == 409)]
        if not refused:
            return Verdict.SENT, ""
        # What may pass goes first: after another try the others answer the same again.
        order = {Verdict.RETRY: 0, Verdict.CREDENTIALS: 1}
        found, worst = min(((_of_item(item), item) for item in refused), key=lambda pair: order.get(pair[0], 2))
        return found, f"{len(refused)} of {len(items)} alerts were not stored ({worst['status']}): {_type(worst)}"


def _of_item(item: Mapping[str, Any]) -> Verdict:
    found, _ = verdict(item["status"])
    # A document's 404 is an index that may not be made; it does not mean that the cluster is gone.
    return Verdict.CREDENTIALS if found is Verdict.GONE or _type(item) in _OF_INDEX else found


def _items(body: bytes) -> list[dict[str, Any]] | None:
    """Each action's result, with a `status`; None where the answer is not that of a bulk request."""
    try:
        said = orjson.loads(body)
        items = [next(iter(item.values())) for item in said["items"]]
        return items if all(isinstance(item["status"], int) for item in items) else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, StopIteration):
        return None


def _type(item: Mapping[str, Any]) -> str:
    error = item.get("error")
    return str(error.get("type", ""))[:100] if isinstance(error, Mapping) else "no reason given"


def _stored(alert: AlertFacts) -> dict[str, Any]:
    """The alert as a document. Dots in names would make objects, and `fd` beside `fd.name` a conflict of the two."""
    found = document.of_alert(alert)
    fields: dict[str, Any] = {}
    for name, value in found["output_fields"].items():
        if plain := re.sub(r"\W+", "_", name).strip("_"):
            fields[_free(plain, fields)] = _plain(value)
    return {"@timestamp": found["time"], **found, "output_fields": fields}


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with a number where another has it already."""
    return next(one for one in chain([name], (f"{name}_{number}" for number in count(2))) if one not in taken)


def _plain(value: Any) -> Any:
    """A value of which an index makes one field: whole numbers beyond 64 bits and compound ones become texts."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    if isinstance(value, str):
        return value[:MOST_VALUE]
    return value if isinstance(value, bool | int | float | None) else encode(value).decode()[:MOST_VALUE]
