import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from sensorapp import env


def test_a_flag_is_a_clear_yes_or_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_FLAG", "1")
    assert env.flag("SOME_FLAG", default=False) is True
    monkeypatch.setenv("SOME_FLAG", "no")
    with pytest.raises(ImproperlyConfigured, match="SOME_FLAG is 'no'; use true or false"):
        env.flag("SOME_FLAG", default=False)


def test_a_number_must_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.number("SOME_NUMBER", 7) == 7
    monkeypatch.setenv("SOME_NUMBER", "ten")
    with pytest.raises(ImproperlyConfigured, match="SOME_NUMBER is 'ten'; use a whole number"):
        env.number("SOME_NUMBER", 7)


def test_words_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_WORDS", " a, b ,,c")
    assert env.words("SOME_WORDS", "") == ["a", "b", "c"]


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hush\n")
    monkeypatch.setenv("SOME_SECRET_FILE", str(file))
    assert env.secret("SOME_SECRET") == "hush"
    monkeypatch.setenv("SOME_SECRET_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match=r"SOME_SECRET_FILE names .*missing.* cannot be read"):
        env.secret("SOME_SECRET")


def test_a_kept_secret_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret_key"
    made = env.kept_secret("SOME_KEPT_SECRET", path)
    assert len(made) >= 48
    assert env.kept_secret("SOME_KEPT_SECRET", path) == made
    assert path.stat().st_mode & 0o077 == 0


def test_a_secret_that_cannot_be_kept_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ImproperlyConfigured, match=r"cannot be kept: Not a directory. With DATA_DIR"):
        env.kept_secret("SOME_KEPT_SECRET", tmp_path / "file" / "keys" / "secret_key")


@pytest.mark.parametrize(
    "url", ["hunter2", "mysql://me:hunter2@host/name", "postgresql://", "postgresql://h:hunter2/x"]
)
def test_a_database_it_cannot_use_is_refused_without_its_address(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_URL", url)
    with pytest.raises(ImproperlyConfigured, match="SOME_URL is not an address this can use") as caught:
        env.database("SOME_URL", "sqlite:///x")
    assert "hunter2" not in str(caught.value)


def test_a_database_is_postgresql_or_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    assert env.database("SOME_URL", "sqlite:////var/x.sqlite3")["NAME"] == "/var/x.sqlite3"
    monkeypatch.setenv("SOME_URL", "postgres://me:hush@db:5433/alerts")
    config = env.database("SOME_URL", "sqlite:///x")
    assert (config["HOST"], config["PORT"], config["NAME"], config["PASSWORD"]) == ("db", 5433, "alerts", "hush")


def test_processes_that_start_together_keep_one_secret(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / "keys" / f"key-{number}"
        together = threading.Barrier(8)

        def read(path: Path = path, together: threading.Barrier = together) -> str:
            together.wait()
            return env.kept_secret("SOME_KEPT_SECRET", path)

        with ThreadPoolExecutor(8) as pool:
            found = {reading.result() for reading in [pool.submit(read) for _ in range(8)]}
        assert len(found) == 1
        assert found != {""}
    assert len(list((tmp_path / "keys").iterdir())) == 20


def test_an_empty_key_file_is_an_error_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    with pytest.raises(ImproperlyConfigured, match="is empty"):
        env.kept_secret("SOME_KEPT_SECRET", tmp_path / "key")
