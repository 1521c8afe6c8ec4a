"""Sinks, as people write them down: the kind's options, and secrets that are never given back."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from routing import audit, deliveries, kinds, references, sinks, templating
from routing.access import Actor, insist
from routing.definitions.base import Definition, Facts
from routing.faults import Fault
from routing.messages import test_message
from routing.models import Sink
from routing.models.encrypted import Unreadable
from routing.sandbox import TemplateError
from routing.shapes import SecretShape, SinkShape
from routing.sinks.base import Sender

Kept = str | dict[str, str]
"""A secret as it is stored: itself, or `{"env": NAME}` or `{"file": PATH}` that says where it is read when needed."""


class _Sinks(Definition[Sink, SinkShape]):
    model = Sink
    shape = SinkShape

    def said(self, row: Sink) -> SinkShape:
        kind = sinks.kinds().get(row.kind)
        return SinkShape(
            name=row.name,
            kind=row.kind,
            enabled=row.enabled,
            most_per_minute=row.most_per_minute,
            title_template=row.title_template,
            body_template=row.body_template,
            options=kinds.known(kind.Config, row.config) if kind else row.config,
            secrets={name: place_of(kept) for name, kept in sorted(_stored(row).items())},
        )

    def changed(self, facts: Facts, changes: Mapping[str, Any]) -> Facts:
        """Secrets that are not named stay, and those that are null are forgotten."""
        whole = super().changed(facts, changes)
        named = changes.get("secrets")
        if isinstance(named, Mapping):
            merged = {**facts.get("secrets", {}), **named}
            whole["secrets"] = {name: value for name, value in merged.items() if value is not None}
        kind = sinks.kinds().get(str(whole.get("kind")))
        return {**whole, "options": kinds.fitted(kind and kind.Config, whole.get("options", {}))}

    def columns(self, said: SinkShape, row: Sink) -> dict[str, Any]:
        kind = sinks.kinds().get(said.kind)
        if kind is None:
            raise Fault("kind", f"There is no kind of sink called {said.kind!r}.")
        if row.pk and row.kind != said.kind:
            raise Fault("kind", f"The sink is a {row.kind} and stays one; make another sink.")
        try:
            options = kinds.filled(kind.Config, said.options)
        except kinds.OptionError as error:
            raise Fault(f"options.{error.name}", str(error)) from None
        secrets = _secrets(kind.Config, said, _stored(row))
        try:
            kind({**options, **secrets})
        except (TypeError, ValueError) as error:
            raise Fault("options", str(error)) from None
        _check_templates(said, kind)
        same = ("name", "kind", "enabled", "most_per_minute", "title_template", "body_template")
        columns = {**{name: getattr(said, name) for name in same}, "config": options}
        # The key may be found again; what cannot be read is replaced only by what somebody entered, or goes with the
        # address that it was entered for.
        lost = unreadable(row) and not said.secrets
        stays = lost and not _moved(fields(kind.Config), kinds.known(kind.Config, row.config), options)
        return columns if stays else {**columns, "secrets": secrets}

    def check_given(self, row: Sink, columns: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """A stored secret goes nowhere else than where it was entered for: nobody could read it here, but who changes
        an address could have it sent to a server of their own.
        """
        options, stored, kept = sinks.kinds()[row.kind].Config, _stored(row), columns.get("secrets", {})
        before = {**kinds.known(options, row.config), **stored}
        moved = _moved(fields(options), before, {**columns["config"], **kept})
        named = changes.get("secrets") or {}
        for option in fields(options) if moved else ():
            # An address that is secret goes nowhere but there.
            stays = option.name in stored.keys() & kept.keys() and not option.metadata["place"]
            if stays and not _is_new(named.get(option.name)):
                raise Fault(
                    f"secrets.{option.name}",
                    f"The option {moved} leads elsewhere now, and what is stored is not sent there: "
                    f"enter {option.name} again, too.",
                )

    def took_effect(self, row: Sink, changed: set[str], now: datetime) -> None:
        """Other options may have mended it. Another name mends nothing."""
        if changed & {"config", "secrets"} or ("enabled" in changed and row.enabled):
            deliveries.revive(row, now)
            row.refresh_from_db(fields=["enabled", "revision"])
        elif "enabled" in changed:
            deliveries.pause(row)

    def remembered(self, facts: Facts) -> Facts:
        """Of secrets only where they are kept."""
        plain = {name: value for name, value in facts.items() if name != "secrets"}
        # Under the name of a secret the log has stars, whatever stands there.
        return {**plain, "kept": [f"{name}: {_words_of(value)}" for name, value in sorted(facts["secrets"].items())]}

    def users(self, row: Sink) -> list[str]:
        told = [f"the route {route.name}" for route in row.routes.all()]
        return told + [
            f"the escalation of the route {step.route.name}" for step in row.escalations.filter(route__deleted_at=None)
        ]


def place_of(kept: Kept) -> SecretShape:
    """What is shown of a stored secret."""
    return SecretShape.model_validate(kept if isinstance(kept, dict) else {"stored": True})


def unreadable(row: Sink) -> str:
    """Why its secrets cannot be read here, and what to do; empty where they can."""
    try:
        row.secrets  # noqa: B018  # asking is what decrypts
    except Unreadable as error:
        return str(error)
    return ""


def _stored(row: Sink) -> dict[str, Kept]:
    """Nothing where it cannot be read."""
    return {} if unreadable(row) else dict(row.secrets)


def _secrets(options: type, said: SinkShape, stored: Mapping[str, Kept]) -> dict[str, Kept]:
    """What is stored of them. Raises Fault for one that is not there, is needed, or is no secret."""
    known = {field.name: field for field in fields(options) if kinds.is_secret(field)}
    found: dict[str, Kept] = {}
    for name, value in said.secrets.items():
        if name not in known:
            raise Fault(f"secrets.{name}", f"There is no secret option {name}; there are: {_words(known)}.")
        if isinstance(value, SecretShape) and value.stored:
            if name not in stored:
                raise Fault(f"secrets.{name}", f"No {name} is stored yet.")
            found[name] = stored[name]
        elif isinstance(value, SecretShape):
            place = {where: str(what) for where, what in value.said().items()}
            if wrong := references.problem(place):
                raise Fault(f"secrets.{name}", f"{wrong}.")
            found[name] = place
        elif value:
            try:
                kinds.check(known[name], value)
            except kinds.OptionError as error:
                raise Fault(f"secrets.{name}", str(error)) from None
            found[name] = value
    for name, field in known.items():
        if kinds.needed(field) and name not in found:
            raise Fault(f"secrets.{name}", f"The secret option {name} is needed.")
    return found


def _moved(options: Iterable[kinds.Option], before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The first option that leads where the sink did not send so far; empty where none does."""
    for option in options:
        was, now = (values.get(option.name, "") for values in (before, after))
        if option.metadata["place"] and was != now and not _places(option, now) <= _places(option, was):
            return option.name
    return ""


def _places(option: kinds.Option, value: Any) -> set[object]:
    """Where it leads. Of an address that is kept elsewhere nobody knows, so each is a place of its own."""
    if isinstance(value, dict):
        return {tuple(value.items())}
    try:
        return set(kinds.places(option, value))
    except ValueError:
        return set()  # Stored by an earlier version.


def _is_new(given: object) -> bool:
    """Whether a secret is given, and not only said to be there."""
    return bool(given) and not (isinstance(given, Mapping) and "stored" in given)


def _check_templates(said: SinkShape, kind: type[Sender]) -> None:
    """Raises Fault for a template that cannot be read, or fails already with a test message."""
    context = templating.context_of(test_message(UUID(int=0), timezone.now()))
    for part in ("title", "body"):
        source = getattr(said, f"{part}_template")
        if not source:
            continue
        if not kind.takes.most(part):
            raise Fault(f"{part}_template", f"{kind.label} takes no {part} of your own; leave this empty.")
        try:
            templating.one(source, part, kind.takes, context)
        except TemplateError as error:
            raise Fault(f"{part}_template", f"{str(error)[:1].upper()}{str(error)[1:]}.") from None


def _words_of(secret: str | dict[str, Any]) -> str:
    if isinstance(secret, str) or "stored" in secret:
        return "stored"
    return " ".join(f"{where} {name}" for where, name in secret.items())


def _words(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"


def switch(sink: Sink, by: Actor, now: datetime, ip: str | None = None, *, enabled: bool) -> None:
    """Hold its deliveries back; or use it again, forgetting its trouble: what waits is then sent at once.

    Raises PermissionDenied.
    """
    insist(by, "edit")
    with transaction.atomic():
        if enabled:
            Sink.objects.filter(pk=sink.pk).update(enabled=True)
            deliveries.revive(sink, now)
        else:
            deliveries.pause(sink)
        audit.record(by, "resume" if enabled else "pause", sink, ip=ip, now=now)


SINKS = _Sinks()
