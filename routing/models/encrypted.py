"""A JSON column that is encrypted at rest with rotatable keys (`ENCRYPTION_KEYS`)."""

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.db.models.query_utils import DeferredAttribute


class Unreadable(ImproperlyConfigured):
    """None of the keys fits."""


class Sealed(str):
    """A stored token that nobody has asked for yet."""

    __slots__ = ()


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


class _OpenedWhenAsked(DeferredAttribute):
    """A row is read without a key, so that one which cannot be decrypted costs only those who need what is in it."""

    field: "EncryptedJSONField"

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Sealed):
            value = instance.__dict__[self.field.attname] = self.field.opened(value)
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        # With it Python asks `__get__` also where the row has a value.
        instance.__dict__[self.field.attname] = value


class EncryptedJSONField(models.TextField):  # type: ignore[type-arg]  # not subscriptable at run time
    """Stores a JSON value as a Fernet token: written with the first key, read with whichever fits.

    An attribute of a row is decrypted when it is asked for, and raises Unreadable then; `values` gives it sealed.
    """

    descriptor_class = _OpenedWhenAsked

    def get_prep_value(self, value: Any) -> str | None:
        plain = self.opened(value) if isinstance(value, Sealed) else value
        return None if plain is None else _fernet().encrypt(json.dumps(plain).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(value)

    def opened(self, value: Sealed) -> Any:
        """Raises Unreadable where none of the keys fits."""
        try:
            return json.loads(_fernet().decrypt(value.encode()))
        except InvalidToken:
            raise Unreadable(
                f"{self.model.__name__}.{self.name} was encrypted with a key that ENCRYPTION_KEYS does not hold; "
                "put the old key back, after the new one and a comma, or enter anew what was in it"
            ) from None

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""
