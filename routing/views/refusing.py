"""What a service refuses, on the form that the person sees."""

from django import forms

from routing.faults import Fault
from routing.forms import OptionsForm


def refuse(fault: Fault, form: forms.BaseForm, options: OptionsForm) -> None:
    """Put a fault where it belongs: on a field of the form, on an option, or above the options."""
    place, _, name = fault.field.partition(".")
    if place in form.fields:
        form.add_error(place, str(fault))
    else:
        options.add_error(name if name in options.fields else None, str(fault))
