"""The rule language: Falco's conditions and rule files, independent of where events come from.

`parse` reads one condition, `load` a set of rule files; what is wrong in them is a `RuleError` that says where.
Nothing here does any input or output.
"""

from sensor.rules.compiler import compile_condition
from sensor.rules.errors import RuleError, RuleWarning
from sensor.rules.loader import load
from sensor.rules.parser import parse
from sensor.rules.ruleset import Rule, RuleSet

__all__ = ["Rule", "RuleError", "RuleSet", "RuleWarning", "compile_condition", "load", "parse"]
