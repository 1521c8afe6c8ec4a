"""The tree of routes with everything that a route inherits, as one batch sees it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from django.db import connection
from django.db.models import Model

from routing.intervals import Interval, IntervalError, interval_of
from routing.models import EscalationStep, ResponseAction, Route, Sink, TimeInterval

log = structlog.get_logger(__name__)

Row = TypeVar("Row", Sink, ResponseAction, TimeInterval)

DEEPEST = 10
"""Levels of routes beneath each other."""
SETTINGS = ("group_by", "group_wait", "group_interval", "repeat_interval", "resolve_after")
"""What a route that leaves it empty has from its parent."""
DEFAULTS = {name: getattr(Route(), name) for name in SETTINGS}
"""What a route at the top has that leaves it empty."""

ENDING = {"group_interval": 0, "repeat_interval": 0, "resolve_after": 0}
"""What a deleted route has: its groups tell what is new and end, each at its next look."""


@dataclass(frozen=True, slots=True)
class Step:
    """Whom to tell, too, after so many seconds without an acknowledgement."""

    after: int
    sinks: tuple[Sink, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A route and what belongs to it, stored or drafted; `parent_key` and `key` say where it hangs."""

    route: Route
    key: int
    parent_key: int | None = None
    sinks: tuple[Sink, ...] = ()
    actions: tuple[ResponseAction, ...] = ()
    mute_in: tuple[TimeInterval, ...] = ()
    active_in: tuple[TimeInterval, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A route as it works: its own settings and those of its ancestors."""

    route: Route
    key: int
    parent: "Node | None"
    depth: int
    enabled: bool
    """Whether it and its ancestors are."""
    dry_run: bool
    """Whether it or an ancestor is."""
    group_by: tuple[str, ...]
    group_wait: int
    group_interval: int
    repeat_interval: int
    resolve_after: int
    sinks: tuple[Sink, ...]
    actions: tuple[ResponseAction, ...]
    mute_in: tuple[Interval, ...]
    active_in: tuple[Interval, ...]
    steps: tuple[Step, ...]
    children: "list[Node]" = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.route.name

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the top down to this one."""
        return (*self.parent.path, self.name) if self.parent else (self.name,)

    @property
    def takes_everything(self) -> bool:
        """Whether it takes whatever comes to it."""
        return self.enabled and not self.route.condition.strip()

    @property
    def ends(self) -> bool:
        """Whether the walk among its siblings ends with it."""
        return not self.route.continues

    def below(self) -> "Iterator[Node]":
        """This one and everything beneath it, in the order of the walk."""
        yield self
        for child in self.children:
            yield from child.below()


class Tree:
    """All routes. Iterating gives every node, a parent before its children, in the order of the walk.

    Those that were deleted are only found by their keys, for what they still have to tell.
    """

    def __init__(self, roots: Sequence[Node], deleted: Iterable[Node] = ()) -> None:
        self.roots = tuple(roots)
        self.by_key = {node.key: node for node in (*self, *deleted)}

    def __iter__(self) -> Iterator[Node]:
        for root in self.roots:
            yield from root.below()

    def catch_all(self) -> Node | None:
        """The route at the top that takes whatever the others leave; None where an alert may find no route."""
        return next((node for node in self.roots if node.takes_everything), None)

    def unreached(self) -> dict[int, Node]:
        """The routes that no alert ever reaches, by their keys, each with the one before it that takes everything."""
        found: dict[int, Node] = {}
        for siblings in (self.roots, *(node.children for node in self)):
            ends = next((at for at, node in enumerate(siblings) if node.takes_everything and node.ends), len(siblings))
            for behind in siblings[ends + 1 :]:
                found |= dict.fromkeys((node.key for node in behind.below()), siblings[ends])
        return found


_GROWN_FROM: tuple[type[Model], ...] = (
    Route,
    ResponseAction,
    TimeInterval,
    EscalationStep,
    Route.sinks.through,
    Route.actions.through,
    Route.mute_in.through,
    Route.active_in.through,
    EscalationStep.sinks.through,
)
# Of every row its place and the transaction that wrote it, too: changed and changed back is another version.
_ROW = "SELECT concat(one.tableoid, xmin, ctid, one) AS said FROM {} AS one"
_ROWS = [
    *(_ROW.format(rows._meta.db_table) for rows in _GROWN_FROM),
    # Of sinks, which are written at every delivery, what is read of them.
    f"SELECT concat(id, ' ', kind, ' ', name) FROM {Sink._meta.db_table}",  # noqa: S608 - Django's name
]
_VERSION = f"SELECT md5(string_agg(said, chr(10))) FROM ({' UNION ALL '.join(_ROWS)}) AS everything"  # noqa: S608
_kept: dict[str, Tree] = {}
"""The newest tree, by its version."""


def current() -> Tree:
    """The stored tree, for who asks before every batch. Threads share it: nothing in it may be changed.

    On PostgreSQL it is kept while its rows stay as they are. They are looked at every time, so that the next batch
    walks every change.
    """
    if connection.vendor != "postgresql":
        return load()
    version = _version()
    while (tree := _kept.get(version)) is None:
        read, before, version = load(), version, _version()
        # What was committed between two of its statements would be there by half: a route without its sinks.
        if version == before:
            _kept.clear()
            _kept[version] = read
    return tree


def _version() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_VERSION)
        [version] = cursor.fetchone()
    return str(version)


def load() -> Tree:
    """The stored tree, read without what the ORM does for each of hundreds of routes and their relations."""
    sinks = Sink.objects.only("name", "kind").in_bulk()
    actions, intervals = ResponseAction.objects.in_bulk(), TimeInterval.objects.in_bulk()
    sinks_of = _linked(Route.sinks.through, "route_id", "sink_id", sinks)
    actions_of = _linked(Route.actions.through, "route_id", "responseaction_id", actions)
    mute_in = _linked(Route.mute_in.through, "route_id", "timeinterval_id", intervals)
    active_in = _linked(Route.active_in.through, "route_id", "timeinterval_id", intervals)
    told_in = _linked(EscalationStep.sinks.through, "escalationstep_id", "sink_id", sinks)
    steps: dict[int, list[Step]] = {}
    for step in EscalationStep.objects.all():
        steps.setdefault(step.route_id, []).append(Step(step.after, told_in.get(step.pk, ())))
    return grow(
        Parts(
            route=route,
            key=route.pk,
            parent_key=route.parent_id,
            sinks=sinks_of.get(route.pk, ()),
            actions=actions_of.get(route.pk, ()),
            mute_in=mute_in.get(route.pk, ()),
            active_in=active_in.get(route.pk, ()),
            steps=tuple(steps.get(route.pk, ())),
        )
        for route in Route.everything.all()
    )


def _linked(through: type[Model], owner: str, column: str, rows: Mapping[int, Row]) -> dict[int, tuple[Row, ...]]:
    """The rows on the other side of a relation, in their own order, by their owner's id."""
    order = {pk: number for number, pk in enumerate(rows)}
    linked: dict[int, list[int]] = {}
    for at, pk in through._default_manager.order_by("pk").values_list(owner, column):
        # One that was made between the statements is not among the rows.
        if pk in order:
            linked.setdefault(at, []).append(pk)
    return {at: tuple(rows[pk] for pk in sorted(found, key=order.__getitem__)) for at, found in linked.items()}


def grow(parts: Iterable[Parts]) -> Tree:
    """The tree of some routes. What hangs on nothing that is there is left out."""
    hanging: dict[int | None, list[Parts]] = {}
    for one in sorted(parts, key=lambda one: (one.route.position, one.key)):
        hanging.setdefault(one.parent_key, []).append(one)
    deleted: list[Node] = []
    return Tree(_nodes(None, hanging, deleted), deleted)


def _nodes(parent: Node | None, hanging: dict[int | None, list[Parts]], deleted: list[Node]) -> list[Node]:
    """The nodes beneath one; `deleted` gets those that are not walked any more."""
    nodes: list[Node] = []
    for parts in hanging.get(parent.key if parent else None, []):
        node = _node(parts, parent)
        node.children.extend(_nodes(node, hanging, deleted))
        (deleted if node.route.deleted_at else nodes).append(node)
    return nodes


def _node(parts: Parts, parent: Node | None) -> Node:
    route = parts.route
    own = {name: getattr(route, name) for name in SETTINGS}
    inherited = {name: getattr(parent, name) if parent else DEFAULTS[name] for name in SETTINGS}
    settings = {name: inherited[name] if own[name] is None else own[name] for name in SETTINGS}
    if route.deleted_at:
        settings |= ENDING
    return Node(
        route=route,
        key=parts.key,
        parent=parent,
        depth=parent.depth + 1 if parent else 0,
        enabled=route.enabled and (parent is None or parent.enabled),
        dry_run=route.dry_run or (parent is not None and parent.dry_run),
        sinks=parts.sinks or (parent.sinks if parent else ()),
        actions=parts.actions,
        mute_in=_intervals(parts.mute_in),
        active_in=_intervals(parts.active_in),
        steps=tuple(sorted(parts.steps, key=lambda step: step.after)) or (parent.steps if parent else ()),
        **{**settings, "group_by": tuple(settings["group_by"])},
    )


def _intervals(stored: Iterable[TimeInterval]) -> tuple[Interval, ...]:
    """Ready to be asked. One that cannot be read any more holds never, and says so."""
    found = []
    for one in stored:
        try:
            found.append(interval_of(one.name, one.spec))
        except IntervalError as error:
            log.error("interval_broken", interval=one.name, problem=str(error))
    return tuple(found)
