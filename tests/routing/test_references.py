from datetime import timedelta
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from routing import deliveries
from routing.references import MOST_BYTES, MissingSecret, problem, resolved
from tests import build
from tests.build import NOW, owed


@pytest.fixture
def folder(tmp_path: Path, settings) -> Path:
    settings.SECRETS_DIR = str(tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    return tmp_path / "secrets"


def test_references_are_followed_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "key"
    secrets = {"plain": "p", "var": {"env": "SINK_KEY"}, "kept": {"file": str(file)}}
    for value in ("first", "second"):
        monkeypatch.setenv("SINK_KEY", value)
        file.write_text(f"{value} of the file\n")
        assert resolved(secrets) == {"plain": "p", "var": value, "kept": f"{value} of the file"}


@pytest.mark.parametrize("name", ["SECRET_KEY", "ENCRYPTION_KEYS", "DATABASE_URL", "sink_key", "XSINK_KEY", ""])
def test_other_variables_are_not_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name:
        monkeypatch.setenv(name, "TOPSECRET")
    assert "SECRETS_ENV" in problem({"env": name})
    with pytest.raises(MissingSecret) as error:
        resolved({"url": {"env": name}})
    assert "TOPSECRET" not in str(error.value)


def test_files_elsewhere_are_not_read_however_they_are_reached(folder: Path) -> None:
    outside = folder.parent / "keys"
    outside.write_text("TOPSECRET")
    (folder / "link").symlink_to(outside)
    for path in (str(outside), f"{folder}/../keys", f"{folder}/link", str(folder), "keys", f"{folder}-other/key"):
        with pytest.raises(MissingSecret, match="is not below") as error:
            resolved({"url": {"file": path}})
        assert "TOPSECRET" not in str(error.value)


def test_a_link_within_the_folder_is_followed(folder: Path) -> None:
    """As Kubernetes puts secrets there."""
    (folder / "..data").mkdir()
    (folder / "..data" / "key").write_text("k")
    (folder / "key").symlink_to(folder / "..data" / "key")
    assert resolved({"url": {"file": f"{folder}/key"}}) == {"url": "k"}


def test_what_leads_nowhere_is_said(folder: Path) -> None:
    (folder / "empty").write_text("\n")
    (folder / "large").write_text("x" * (MOST_BYTES + 1))
    (folder / "bytes").write_bytes(b"\xff\xfe")
    (folder / "folder").mkdir()
    for reference, said in (
        ({"env": "SINK_NOT_SET"}, "The variable SINK_NOT_SET, which holds url, is not set or empty here"),
        ({"file": f"{folder}/none"}, "is not set or empty here"),
        ({"file": f"{folder}/empty"}, "is not set or empty here"),
        ({"file": f"{folder}/large"}, "more than 65,536 bytes"),
        ({"file": f"{folder}/bytes"}, "not text in UTF-8"),
        ({"file": f"{folder}/folder"}, "cannot be read: Is a directory"),
    ):
        with pytest.raises(MissingSecret, match=said):
            resolved({"url": reference})


@pytest.mark.django_db
def test_a_secret_is_read_where_it_is_kept_and_a_missing_one_warns(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = build.sink("webhook", secrets={"url": {"env": "SINK_HOOK"}})
    delivery = owed(sink)
    deliveries.send_next(sink.pk, 1, NOW)
    sink.refresh_from_db()
    delivery.refresh_from_db()
    assert "The variable SINK_HOOK, which holds url, is not set" in sink.warning
    assert (delivery.state, delivery.error, delivery.attempts.get().error) == ("queued", sink.warning, sink.warning)
    monkeypatch.setenv("SINK_HOOK", httpserver.url_for("/TOPSECRET/hook"))
    httpserver.expect_request("/TOPSECRET/hook").respond_with_data(
        f"thanks for {httpserver.url_for('/TOPSECRET/hook')}"
    )
    (attempt,) = deliveries.send_next(sink.pk, 1, NOW + timedelta(days=1))
    sink.refresh_from_db()
    assert (attempt.outcome, attempt.response, sink.warning) == ("sent", "thanks for ***", "")
