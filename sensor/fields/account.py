"""`user.*` and `group.*`: as whom it was done. Names come from the node's lookups."""

from typing import Any

from sensor.event import Process
from sensor.fields import lookups
from sensor.fields.catalog import Extract, Field
from sensor.fields.kinds import Type
from sensor.fields.process import of


def user(key: str, uid: int | None) -> str | None:
    """What is known of a user; root's name always is, an unknown one's is `<NA>`."""
    if uid is None or uid < 0:
        return None if uid is None else "<NA>"
    found = lookups.current().user(uid)
    if found is not None:
        return str(getattr(found, key))
    return "root" if uid == 0 and key == "name" else "<NA>"


def _group(process: Process) -> str | None:
    if process.gid is None:
        return None
    return lookups.current().group(process.gid) or ("root" if process.gid == 0 else "<NA>")


def _plain(name: str, kind: Type, attribute: str, doc: str) -> Field:
    return Field(name=name, type=kind, doc=doc, via=("proc", attribute))


def _one(name: str, kind: Type, extract: Extract | None, doc: str, **more: Any) -> Field:
    return Field(name=name, type=kind, doc=doc, extract=extract, **more)


FIELDS = (
    _plain("user.uid", Type.UINT32, "uid", "Effective user id."),
    _one("user.name", Type.CHARBUF, of(lambda p: user("name", p.uid)), "User's name."),
    _one("user.homedir", Type.CHARBUF, of(lambda p: user("home", p.uid)), "User's home directory."),
    _one("user.shell", Type.CHARBUF, of(lambda p: user("shell", p.uid)), "User's shell."),
    _plain("user.loginuid", Type.INT64, "loginuid", "User id at login; -1 where nobody logged in."),
    _one("user.loginname", Type.CHARBUF, of(lambda p: user("name", p.loginuid)), "User's name at login."),
    _plain("group.gid", Type.UINT32, "gid", "Effective group id."),
    _one("group.name", Type.CHARBUF, of(_group), "Group's name."),
)  # fmt: skip
