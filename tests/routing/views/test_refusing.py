from dataclasses import dataclass

from django import forms

from routing.faults import Fault
from routing.forms import form_for
from routing.kinds import option
from routing.views.refusing import refuse


class Named(forms.Form):
    name = forms.CharField()


@dataclass(frozen=True)
class Options:
    channel: str = option("Where.")


def test_a_fault_stands_where_it_belongs() -> None:
    form, options = Named({"name": "a"}), form_for(Options)({"option-channel": "#a"})
    assert form.is_valid()
    assert options.is_valid()
    for field in ("name", "options.channel", "options", "kind"):
        refuse(Fault(field, f"wrong {field}"), form, options)
    assert form.errors == {"name": ["wrong name"]}
    assert options.errors == {"channel": ["wrong options.channel"], "__all__": ["wrong options", "wrong kind"]}
