"""`manage.py rotate_keys`: encrypt everything anew with the first of `ENCRYPTION_KEYS`."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import models, transaction

from routing import audit
from routing.access import Operator
from routing.models.encrypted import EncryptedJSONField, Unreadable

ACTOR = Operator("command line")


class Command(BaseCommand):
    help = "Encrypt every stored secret with the first of ENCRYPTION_KEYS; the others can then be taken away."
    # A broken page or sink must not keep a key that got out in use.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        done, lost = 0, []
        for model, columns in encrypted():
            for pk in model._default_manager.order_by("pk").values_list("pk", flat=True):
                try:
                    done += _rotated(model, columns, pk)
                except Unreadable as error:
                    lost.append(f"{model._meta.verbose_name} {pk}: {error}")
        if done:
            audit.record(ACTOR, "rotate keys", "encryption keys", after={"encrypted": done})
        self.stdout.write(f"{done} encrypted with the first key")
        if lost:
            raise CommandError("\n".join(["these could not be read and stay as they are:", *lost]))


def encrypted() -> Iterator[tuple[type[models.Model], list[str]]]:
    """The models with encrypted columns, and the names of those."""
    for model in apps.get_app_config("routing").get_models():
        columns = [field.name for field in model._meta.fields if isinstance(field, EncryptedJSONField)]
        if columns:
            yield model, columns


def _rotated(model: type[models.Model], columns: list[str], pk: Any) -> bool:
    """Whether the row was still there. It is locked, so that nobody's change is undone."""
    with transaction.atomic():
        row = model._default_manager.select_for_update().filter(pk=pk).values(*columns).first()
        return row is not None and bool(model._default_manager.filter(pk=pk).update(**row))
