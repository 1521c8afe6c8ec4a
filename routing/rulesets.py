"""Detection rules on the server: people edit files, a check says what is wrong where, publishing numbers a set.

Sensors pull the newest ruleset. A ruleset never changes; a file with an error is kept as a draft and never
published.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from routing import audit
from routing.access import insist
from routing.models import RuleFile, Ruleset
from routing.storable import text as storable_text
from sensor.rules import load
from sensor.rules.errors import RuleError

log = structlog.get_logger(__name__)

Files = Sequence[tuple[str, str]]
DEFAULTS = Path(settings.BASE_DIR) / "sensor" / "rules.d"
LONGEST_FILE = 1 << 20
"""Characters; the largest rule file known upstream has a tenth of it."""


class RulesetError(Exception):
    """Nothing was saved or published; the text says why. `report` is there where the rules are at fault."""

    def __init__(self, message: str, report: "Report | None" = None) -> None:
        super().__init__(message)
        self.report = report


@dataclass(frozen=True)
class Finding:
    """Something about a place: `snippet` is the line with a caret under it, `hint` a guess at what was meant."""

    code: str
    message: str
    file: str
    line: int
    column: int
    snippet: str
    hint: str


@dataclass(frozen=True)
class Report:
    """What a check found. Only errors keep the files from being published."""

    rule_count: int
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    hints: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.errors

    def as_json(self) -> dict[str, Any]:
        """For the API."""
        return {"ok": self.ok, **asdict(self)}


def check(files: Files) -> Report:
    """Read the files in order, as a sensor would, and say everything that is wrong at once."""
    loaded = load(list(files))
    return Report(len(loaded.rules), _findings(loaded.errors), _findings(loaded.warnings), _findings(loaded.lints))


def draft() -> list[tuple[str, str]]:
    """The enabled files as they are now, in load order."""
    return [(file.name, file.text) for file in RuleFile.objects.filter(enabled=True)]


def check_with(name: str, text: str) -> Report:
    """`check` of the draft as it would be with one file changed or added."""
    names = list(RuleFile.objects.filter(enabled=True).values_list("name", "text"))
    changed = [(known, text if known == name else old) for known, old in names]
    return check(changed if name in dict(names) else [*changed, (name, text)])


def save(
    name: str, text: str, by: User, now: datetime, *, based_on: datetime | None = None, ip: str | None = None
) -> RuleFile:
    """Keep a file as a draft, whether it is right or not; a new one is loaded last.

    `based_on` is the `updated_at` of what the person saw. Raises PermissionDenied, and RulesetError where
    somebody else saved in between or the text cannot be kept.
    """
    insist(by, "edit")
    name, text = name.strip(), storable_text(text).replace("\r\n", "\n")
    if not name or len(name) > 100 or "/" in name:
        raise RulesetError("A rule file's name has 1 to 100 characters and no slash.")
    if len(text) > LONGEST_FILE:
        raise RulesetError(f"The file has {len(text):,} characters; {LONGEST_FILE:,} is the most. Split it.")
    with transaction.atomic():
        file = RuleFile.objects.select_for_update().filter(name=name).first()
        if file is None:
            last = RuleFile.objects.order_by("-position").values_list("position", flat=True).first()
            file = RuleFile(name=name, position=(last or 0) + 10)
        elif based_on is not None and file.updated_at != based_on:
            raise RulesetError(f"{file.updated_by or 'An upgrade'} saved this file since you opened it; look again.")
        before, file.text, file.updated_at, file.updated_by = file.text, text, now, by
        file.save()
        audit.record(by, "edit", file, before={"text": before}, after={"text": text}, ip=ip, now=now)
    return file


def enable(file: RuleFile, enabled: bool, by: User, now: datetime, ip: str | None = None) -> None:
    """Take a file into the draft or out of it. Raises PermissionDenied."""
    insist(by, "edit")
    with transaction.atomic():
        if RuleFile.objects.filter(pk=file.pk).exclude(enabled=enabled).update(enabled=enabled):
            audit.record(by, "enable" if enabled else "disable", file, ip=ip, now=now)


def publish(by: User | None, now: datetime, comment: str = "", ip: str | None = None) -> Ruleset:
    """Give the draft the next number; `by` is None for the product itself.

    Raises PermissionDenied, and RulesetError with the report where a file has an error, or where there is
    nothing new.
    """
    if by is not None:
        insist(by, "edit")
    files = draft()
    report = check(files)
    if not report.ok:
        first = report.errors[0]
        raise RulesetError(
            f"Not published: {len(report.errors)} errors, the first in {first.file} at {first.line}:{first.column}.",
            report,
        )
    as_stored = [{"name": name, "text": text} for name, text in files]
    try:
        with transaction.atomic():
            newest = Ruleset.objects.first()
            if newest is not None and newest.files == as_stored:
                raise RulesetError(f"Nothing to publish: ruleset {newest.number} is the same.", report)
            ruleset = Ruleset.objects.create(
                number=newest.number + 1 if newest else 1,
                files=as_stored,
                rule_count=report.rule_count,
                published_at=now,
                published_by=by,
                comment=comment[:255],
            )
            audit.record(by or audit.SYSTEM, "publish", ruleset, after={"comment": comment}, ip=ip, now=now)
    except IntegrityError:
        raise RulesetError("Somebody published a moment ago; look at their ruleset first.", report) from None
    return ruleset


def latest(have: int = 0) -> Ruleset | None:
    """The newest ruleset, if its number is above `have`."""
    return Ruleset.objects.filter(number__gt=have).first()


def install_defaults(now: datetime, folder: Path = DEFAULTS) -> Ruleset | None:
    """Take in the product's own rule files and publish them; the new ruleset, or None where nothing changed.

    A file that nobody edited follows the product; an edited one is the person's. Where somebody's draft
    waits to be published, the new files wait with it.
    """
    with transaction.atomic():
        newest = latest()
        draft_waits = newest is not None and newest.files != [{"name": name, "text": text} for name, text in draft()]
        changed = [_install(path, 10 * place, now) for place, path in enumerate(sorted(folder.glob("*.yaml")), 1)]
    if not any(changed):
        return None
    if draft_waits:
        log.warning("default_rules_wait", reason="unpublished edits; publish them to take the new rules along")
        return None
    return publish(None, now, "the product's own rules")


def _install(path: Path, position: int, now: datetime) -> bool:
    text = path.read_text(encoding="utf-8")
    file, made = RuleFile.objects.get_or_create(
        name=path.name, defaults={"text": text, "position": position, "updated_at": now}
    )
    if made:
        return True
    untouched = RuleFile.objects.filter(pk=file.pk, updated_by=None).exclude(text=text)
    return bool(untouched.update(text=text, updated_at=now))


def _findings(errors: Iterable[RuleError]) -> tuple[Finding, ...]:
    return tuple(
        Finding(error.code, error.message, error.file, error.line, error.column, error.snippet, error.hint)
        for error in errors
    )
