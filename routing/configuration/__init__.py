"""All that people configure as one YAML file: written by `manage.py export`, read and made so by `manage.py apply`."""

from routing.configuration.applying import Refused, apply
from routing.configuration.differences import Change, lines_of
from routing.configuration.reading import Configuration, Problem, read
from routing.configuration.writing import export

__all__ = ["Change", "Configuration", "Problem", "Refused", "apply", "export", "lines_of", "read"]
