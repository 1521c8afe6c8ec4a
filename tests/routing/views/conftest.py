"""One of everything, so that every page has something to show, and pages as trees that tests can ask."""

from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from routing import audit
from routing.lookups import digest_of
from routing.models import (
    Acknowledgement,
    ActionRun,
    Attempt,
    Comment,
    Delivery,
    GroupedAlert,
    Inhibition,
    Lookup,
    MaintenanceWindow,
    RuleFile,
    Ruleset,
    Silence,
    TimeInterval,
)
from tests import build


@pytest.fixture
def world(bob: User) -> SimpleNamespace:
    """An alert on its whole way: routed, told, acted on, acknowledged, silenced."""
    now = timezone.now()
    sensor = build.sensor(last_seen_at=now, stats={"events": 1_234_567, "lost": 3, "rule_errors": {"Broken": 2}})
    alert = build.alert("critical", time=now, sensor=sensor, waits=False, output="<script>alert(1)</script> & co")
    sink = build.sink("slack", name="Slack #sec", secrets={"webhook_url": "https://hooks.example/SECRET"})
    action = build.action()
    route = build.route(name="Production")
    route.sinks.add(sink)
    route.actions.add(action)
    group = build.group(route, first_seen_at=now, last_seen_at=now, fingerprint=alert.fingerprint)
    GroupedAlert.objects.create(group=group, alert=alert, routed_at=now, route_version=1)
    delivery = Delivery.objects.create(
        sink=sink,
        route=route,
        group=group,
        alert_ids=[str(alert.pk)],
        alert_count=1,
        reason="first alert of the group",
        state="failed",
        next_attempt_at=now,
        created_at=now,
    )
    Attempt.objects.create(
        delivery=delivery, number=1, started_at=now, outcome="failed", status=404, request="POST ***", response="gone"
    )
    run = ActionRun.objects.create(
        digest="d" * 64,
        action=action,
        alert=alert,
        group=group,
        route=route,
        sensor=sensor,
        mode="approve",
        kind="kill_process",
        target={"pid": 4242, "name": "cat"},
        description="Kill pid 4242 (cat) on node-1",
        state="awaiting_approval",
        requested_at=now,
        expires_at=now + timedelta(minutes=15),
    )
    Acknowledgement.objects.create(fingerprint=alert.fingerprint, user=bob, at=now, comment="On it")
    Comment.objects.create(fingerprint=alert.fingerprint, user=bob, at=now, text="Looks real")
    silence = Silence.objects.create(
        condition="alert.hostname = node-9",
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        author=bob,
        comment="Rebuilt",
        created_at=now,
    )
    text = "- rule: A\n  desc: d\n  condition: evt.type = openat\n  output: o\n  priority: WARNING\n"
    file = RuleFile.objects.create(name="own.yaml", text=text, updated_at=now)
    ruleset = Ruleset.objects.create(
        number=1, files=[{"name": "own.yaml", "text": text}], rule_count=1, published_at=now
    )
    interval = TimeInterval.objects.create(name="nights", spec=[{"weekdays": ["monday:friday"]}])
    table = "k8s.ns.name,team\nshop,<script>alert(1)</script>\n"
    audit.record(bob, "edit", sink, before={"name": "old"}, after={"name": "new"}, ip="127.0.0.1", now=now)
    return SimpleNamespace(
        alert=alert,
        group=group,
        run=run,
        action=action,
        route=route,
        sink=sink,
        delivery=delivery,
        silence=silence,
        file=file,
        ruleset=ruleset,
        token=build.token(),
        sensor=sensor,
        interval=interval,
        window=MaintenanceWindow.objects.create(
            name="<script>alert(1)</script> upgrades", condition="alert.hostname = node-8", interval=interval
        ),
        inhibition=Inhibition.objects.create(
            name="A lost node", source="alert.rule = Lost", target="alert.priority > error", equal=["alert.hostname"]
        ),
        lookup=Lookup.objects.create(name="teams", text=table, digest=digest_of(table)),
    )


VOID = {"area", "br", "hr", "img", "input", "link", "meta", "col", "source"}


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inside: list[str] = field(default_factory=list)
    """The tags around it."""


class Page(HTMLParser):
    """The elements of a page in their order; `unclosed` are tags that were never closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self.open: list[Element] = []
        self.mismatched: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs}, inside=[each.tag for each in self.open])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = [each.tag for each in self.open]
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}, inside=inside))

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1].tag != tag:
            self.mismatched.append(f"</{tag}> at line {self.getpos()[0]}")
            return
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]
