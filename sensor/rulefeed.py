"""Which rules are in force: local files, or the ruleset that the server publishes.

A pulled ruleset is used only if it loads without an error, and the last one that did is kept on disk, so a
sensor that starts without its server still watches with it. Before the first pull the rules that come with
the sensor are used.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec
import structlog

from sensor.config import PULL, ConfigError
from sensor.rules.loader import load
from sensor.rules.ruleset import RuleSet

log = structlog.get_logger(__name__)

BUILT_IN = Path(__file__).parent / "rules.d"
ERRORS_TOLD = 5


class RuleFile(msgspec.Struct, frozen=True):
    """A named text of rules."""

    name: str
    text: str


class Published(msgspec.Struct, frozen=True):
    """A ruleset as the server publishes it."""

    number: int
    files: list[RuleFile]


class RulesetRefused(Exception):
    """A ruleset that does not load; the text has the first errors with file, line and column."""


def compiled(files: Iterable[RuleFile]) -> RuleSet:
    """Rules ready to match; RulesetRefused if any of them is wrong."""
    ruleset = load([(file.name, file.text) for file in files])
    if ruleset.errors:
        told = [str(error) for error in ruleset.errors[:ERRORS_TOLD]]
        more = len(ruleset.errors) - len(told)
        raise RulesetRefused("\n".join(told + ([f"and {more} more"] if more else [])))
    for rule in ruleset.rules:
        # Conditions become code when first asked for; here rather than while events wait.
        _ = rule.matches
    return ruleset


def read_files(paths: Iterable[str]) -> list[RuleFile]:
    """Rule files as named; a directory stands for its .yaml files in order of name. Raises ConfigError."""
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        found += sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
    if not found:
        raise ConfigError(f"no rule files in {', '.join(paths)}")
    try:
        return [RuleFile(str(path), path.read_text(encoding="utf-8")) for path in found]
    except OSError as error:
        raise ConfigError(f"rule file {error.filename}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"a rule file is not UTF-8: {error}") from None


class RuleFeed:
    """The number and content of the ruleset in force, and the last good one on disk."""

    def __init__(self, files: tuple[str, ...], saved: Path) -> None:
        self.pulls = files == (PULL,)
        self.number = 0
        """Of the pulled ruleset in force; 0 for local or built-in rules."""
        self.refused = 0
        """Of the newest pulled ruleset that did not load, so that it is not pulled again and again."""
        self._files = files
        self._saved = saved

    def initial(self) -> RuleSet:
        """What to start with. Raises ConfigError or RulesetRefused for local files that cannot be used."""
        if not self.pulls:
            return compiled(read_files(self._files))
        try:
            published = msgspec.json.decode(self._saved.read_bytes(), type=Published)
            ruleset = compiled(published.files)
            self.number = published.number
            return ruleset
        except FileNotFoundError:
            log.info("no_ruleset_saved_yet", using="the rules that come with the sensor")
        except (OSError, msgspec.DecodeError, RulesetRefused) as error:
            log.warning("saved_ruleset_unusable", path=str(self._saved), error=str(error))
        return compiled(read_files([str(BUILT_IN)]))

    def wants(self, number: int) -> bool:
        """Whether a published number is one that we neither use nor have refused."""
        return self.pulls and number not in (self.number, self.refused)

    def accept(self, document: object) -> RuleSet:
        """Compile what the server published and keep it on disk; RulesetRefused leaves everything as it was."""
        try:
            published = msgspec.convert(document, Published)
        except msgspec.ValidationError as error:
            raise RulesetRefused(f"the answer is not a ruleset: {error}") from None
        try:
            ruleset = compiled(published.files)
        except RulesetRefused:
            self.refused = published.number
            raise
        self.number = published.number
        self._save(published)
        return ruleset

    def _save(self, published: Published) -> None:
        """Replace the saved file in one step; a full disk costs the copy, not the rules in force."""
        fresh = self._saved.with_name(self._saved.name + ".new")
        try:
            with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(msgspec.json.encode(published))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._saved)
        except OSError as error:
            log.warning("ruleset_not_saved", path=str(self._saved), error=str(error))
