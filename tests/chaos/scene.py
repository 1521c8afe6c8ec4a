"""What is configured: the routes, the sinks at the receiver, the action, and which alert belongs to which route."""

from dataclasses import dataclass

from django.utils import timezone

from routing.models import ResponseAction, Role, Route, Sink, Token
from routing.models.route import WEEK

NODE = "node-0"
"""The node whose sensor runs actions."""
EVERY, SEVERE, MINERS = "everything", "severe", "miners"
"""The routes' names. Each alert belongs to the first one, some to the others too."""
FLAKY, WELL, PACED, ONCE = "flaky", "well", "paced", "once"
"""The sinks' names, which are also the receiver's paths. The third is told in digests, the last one forbids repeats."""
REPEATING = (WELL, FLAKY, PACED)
"""Those that are told again where it is not known whether a message arrived; their receivers know its id."""
PER_MINUTE = 120
"""Messages to the paced sink: fewer than there are groups to tell."""
GROUPS, IN_A_GROUP = 400, 50
"""Groups that get alerts at a time, and how many until others take their place: fewer than a message can name."""


@dataclass(frozen=True)
class Tokens:
    """Plain texts."""

    alerts: str
    node: str


def build(receiver: str) -> Tokens:
    """Stores it all; `receiver` is a URL."""
    action = ResponseAction.objects.create(
        name="Would kill", kind="kill_process", mode=ResponseAction.Mode.DRY_RUN, max_per_hour=1_000_000
    )
    every = _route(EVERY, 1, "", ["k8s.pod.name"], group_wait=1)
    severe = _route(SEVERE, 2, "alert.priority >= critical", ["k8s.pod.name"], group_wait=0)
    miners = _route(MINERS, 3, "proc.name = xmrig", ["..."], group_wait=0)
    miners.actions.add(action)
    well, flaky = (
        Sink.objects.create(name=name, kind="webhook", secrets={"url": f"{receiver}/{name}"}) for name in (WELL, FLAKY)
    )
    once = Sink.objects.create(
        name=ONCE,
        kind="mattermost",
        config={"repeat_unknown": False},
        secrets={"webhook_url": f"{receiver}/{ONCE}"},
    )
    paced = Sink.objects.create(
        name=PACED, kind="webhook", secrets={"url": f"{receiver}/{PACED}"}, most_per_minute=PER_MINUTE
    )
    every.sinks.add(well, flaky, paced)
    severe.sinks.add(once)
    miners.sinks.add(well)
    return Tokens(_token("the load"), _token("the node", NODE))


def routes_of(number: int) -> frozenset[str]:
    """The routes that the load's alert of this number belongs to."""
    found = {EVERY}
    if number % 10 == 0:
        found.add(SEVERE)
    if number % 50 == 7:
        found.add(MINERS)
    return frozenset(found)


def group_of(number: int) -> str:
    """The pod that the load's alert of this number is about: what groups it."""
    return f"pod-{number % GROUPS + GROUPS * (number // (GROUPS * IN_A_GROUP))}"


def _route(name: str, position: int, condition: str, group_by: list[str], group_wait: int) -> Route:
    return Route.objects.create(
        name=name,
        position=position,
        condition=condition,
        continues=True,
        group_by=group_by,
        group_wait=group_wait,
        group_interval=15,
        # Each alert is told once, so that what was told can be counted.
        repeat_interval=0,
        resolve_after=WEEK,
    )


def _token(name: str, hostname: str = "") -> str:
    plain, digest, hint = Token.make()
    Token.objects.create(
        name=name, role=Role.SENSOR, digest=digest, hint=hint, hostname=hostname, created_at=timezone.now()
    )
    return plain
