"""Names of users and groups, from /etc/passwd and /etc/group, read again when the files change."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class User:
    """One line of passwd(5), as far as rules can ask for it."""

    uid: int
    name: str
    home: str
    shell: str


class _Watched:
    """Lines of a file, split at colons, with a check for changes at every look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None

    def changed(self) -> list[list[str]] | None:
        """The lines where the file is not the one that was read last; None where it is."""
        try:
            status = self._path.stat()
            # Editors replace the file: the inode tells even within one tick of the file system's clock.
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp == self._stamp:
                return None
            text = self._path.read_text(errors="replace")
        except OSError:
            if self._stamp is None:
                return None
            self._stamp = None
            return []
        self._stamp = stamp
        return [line.split(":") for line in text.splitlines() if line and line[0] not in "#+-"]


class Users:
    """uid → user and gid → group name for one root directory; a name that is not there is None."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._passwd = _Watched(root / "etc/passwd")
        self._group = _Watched(root / "etc/group")
        self._users: dict[int, User] = {}
        self._groups: dict[int, str] = {}

    def user(self, uid: int) -> User | None:
        """The first passwd entry with this uid."""
        lines = self._passwd.changed()
        if lines is not None:
            self._users = {}
            for parts in lines:
                if len(parts) >= 7 and parts[2].isdigit():
                    number = int(parts[2])
                    self._users.setdefault(number, User(number, parts[0], parts[5], parts[6]))
        return self._users.get(uid)

    def user_name(self, uid: int) -> str | None:
        """The user's name."""
        found = self.user(uid)
        return found.name if found else None

    def group_name(self, gid: int) -> str | None:
        """The group's name."""
        lines = self._group.changed()
        if lines is not None:
            self._groups = {}
            for parts in lines:
                if len(parts) >= 3 and parts[2].isdigit():
                    self._groups.setdefault(int(parts[2]), parts[0])
        return self._groups.get(gid)
