"""A form out of a kind's options: what the dataclass says is all there is to say."""

import dataclasses
from collections import abc
from collections.abc import Mapping
from typing import Any, get_origin

from django import forms

from routing.kinds import Option, Secret, is_secret, needed

_KEEP = "Stored and not shown. Leave empty to keep it."


class OptionsForm(forms.Form):
    """The base of every form made from options; `plain` and `secrets` give what was entered."""

    options: tuple[Option, ...] = ()

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        values: Mapping[str, Any] | None = None,
        stored: frozenset[str] = frozenset(),
        prefix: str = "option",
    ) -> None:
        """`values` are the stored plain options, `stored` the names of the secrets that have one already."""
        initial = {name: _as_text(value) for name, value in (values or {}).items()}
        super().__init__(data, initial=initial, prefix=prefix)
        for option in self.options:
            if not is_secret(option) or option.name not in stored:
                continue
            field = self.fields[option.name]
            field.required = False
            field.help_text = f"{field.help_text} {_KEEP}"
            if not needed(option):
                self.fields[f"forget_{option.name}"] = forms.BooleanField(
                    required=False, label=f"Forget the stored {str(field.label).lower()}"
                )

    def plain(self) -> dict[str, Any]:
        """The options that are not secret."""
        # A number that was left empty is the default, which is then not stored.
        return {
            option.name: self.cleaned_data[option.name]
            for option in self.options
            if not is_secret(option) and self.cleaned_data[option.name] is not None
        }

    def secrets(self) -> dict[str, str | None]:
        """What becomes of the secret ones: what was entered, and None for what shall be forgotten."""
        changed: dict[str, str | None] = {}
        for option in filter(is_secret, self.options):
            if self.cleaned_data.get(f"forget_{option.name}"):
                changed[option.name] = None
            elif value := self.cleaned_data[option.name]:
                changed[option.name] = value
        return changed


def form_for(options: type) -> type[OptionsForm]:
    """The form of an options dataclass: one field an option, in its order.

    Raises TypeError for an option of a type that no form field shows.
    """
    listed = dataclasses.fields(options)
    fields: dict[str, Any] = {option.name: _field(option) for option in listed}
    return type(f"{options.__qualname__.replace('.', '')}Form", (OptionsForm,), {"options": listed, **fields})


def _field(option: Option) -> forms.Field:
    said = option.metadata
    common: dict[str, Any] = {
        "label": said.get("label") or option.name.replace("_", " ").capitalize(),
        "help_text": said.get("help", ""),
        "required": needed(option),
    }
    if option.default is not dataclasses.MISSING and not is_secret(option):
        common["initial"] = _as_text(option.default)
    look = {"placeholder": said["placeholder"]} if said.get("placeholder") else {}
    return _typed(option, common, look)


def _typed(option: Option, common: dict[str, Any], look: dict[str, str]) -> forms.Field:
    said, kind = option.metadata, option.type
    text = forms.Textarea(attrs={**look, "rows": 5}) if said.get("multiline") else forms.TextInput(attrs=look)
    if said.get("choices"):
        return forms.ChoiceField(choices=[(value, value) for value in said["choices"]], **common)
    if kind is Secret:
        hidden = forms.PasswordInput(attrs={**look, "autocomplete": "new-password"})
        return forms.CharField(
            widget=SecretText(attrs={**look, "rows": 5}) if said.get("multiline") else hidden, **common
        )
    if kind is bool:
        return forms.BooleanField(**{**common, "required": False})
    if kind in (int, float):
        number = forms.IntegerField if kind is int else forms.FloatField
        return number(min_value=said.get("least"), max_value=said.get("most"), **common)
    if kind is str:
        return forms.CharField(widget=text, **common)
    if get_origin(kind) is tuple:
        return LinesField(widget=forms.Textarea(attrs={**look, "rows": 3}), **common)
    if get_origin(kind) in (dict, abc.Mapping):
        return PairsField(widget=forms.Textarea(attrs={**look, "rows": 3}), **common)
    raise TypeError(f"the option {option.name} is a {kind}, for which there is no form field")


class SecretText(forms.Textarea):
    """A secret of several lines, such as a key; like a password field it never shows what was entered."""

    def format_value(self, value: Any) -> None:
        return None


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def clean(self, value: Any) -> list[str]:
        return [line.strip() for line in super().clean(value).splitlines() if line.strip()]


class PairsField(forms.CharField):
    """Names with their values, one `name: value` a line."""

    def clean(self, value: Any) -> dict[str, str]:
        pairs = {}
        for line in filter(None, map(str.strip, super().clean(value).splitlines())):
            name, colon, said = line.partition(":")
            if not colon or not name.strip():
                raise forms.ValidationError(f"{line!r} is not of the form name: value", code="pair")
            pairs[name.strip()] = said.strip()
        return pairs


def _as_text(value: Any) -> Any:
    """A stored option as its field shows it."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {said}" for name, said in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    return value
