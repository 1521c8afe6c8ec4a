import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from django.test import Client as Browser
from django.utils import timezone

from routing.models import Alert, Token
from tests import build
from tests.web import Web, running


@pytest.fixture
def web(transactional_db: None) -> Iterator[Web]:
    build.token("sensor", "sa_test", hostname="node-1")
    with running() as started:
        yield started


def test_one_port_serves_posts_pages_the_api_and_its_description(web: Web):
    assert web.post(build.posted()).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    build.token("viewer", "sa_viewer")
    headers = {"Authorization": "Bearer sa_viewer"}
    (item,) = web.session.get(f"{web.url}/api/v1/alerts?since=3000d", headers=headers, timeout=10).json()["items"]
    assert item["rule"] == "Read sensitive file"
    assert web.session.get(f"{web.url}/api/v1/openapi.json", timeout=10).status_code == 200
    page = web.session.get(f"{web.url}/live/", timeout=10, allow_redirects=False)
    assert (page.status_code, page.headers["Location"]) == (302, "/sign-in/?next=/live/")
    assert web.session.get(f"{web.url}/ingest/sa_test/", timeout=10).status_code == 405


def test_a_client_that_sends_far_too_much_still_reads_the_refusal(web: Web):
    answer = web.post(b"[" + b" " * (12 << 20) + b"]")
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert web.post(b" " * (2 << 20), "sa_wrong").status_code == 401


def test_a_revoked_token_is_refused_within_five_seconds(web: Web):
    assert web.post(build.posted()).status_code == 202
    Token.objects.update(revoked_at=timezone.now())
    started = time.monotonic()
    while web.post(build.posted()).status_code != 401:
        assert time.monotonic() - started < 5
        time.sleep(0.1)


def test_every_acknowledged_alert_survives_kill_9(web: Web):
    chance = random.Random(9)
    acknowledged: set[str] = set()
    sent = threading.Event()

    def send(count: int) -> None:
        session = requests.Session()
        session.trust_env = False
        with session:
            for _ in range(count):
                batch = [build.posted(uuid=str(build.uuid_at(build.NOW))) for _ in range(chance.randrange(1, 20))]
                try:
                    answer = session.post(
                        f"{web.url}/api/v1/alerts", json=batch, headers={"Authorization": "Bearer sa_test"}, timeout=10
                    )
                except requests.RequestException:
                    return
                if answer.status_code == 202:
                    acknowledged.update(alert["uuid"] for alert in batch)
                    sent.set()

    for _ in range(3):
        sent.clear()
        with ThreadPoolExecutor(8) as pool:
            senders = [pool.submit(send, 10_000) for _ in range(8)]
            assert sent.wait(30)
            time.sleep(chance.random() / 2)
            web.kill()
            for sender in senders:
                sender.result(30)
        web.start()
    stored = {str(uuid) for uuid in Alert.objects.values_list("uuid", flat=True)}
    assert len(acknowledged) > 100
    assert acknowledged <= stored


def test_a_repeat_after_a_crash_stores_what_was_missing_and_nothing_twice(web: Web):
    batch = [build.posted(output=str(number)) for number in range(200)]
    with ThreadPoolExecutor(2) as pool:
        dying = pool.submit(web.post, batch)
        web.kill()
        failed = dying.exception(30) is not None
    web.start()
    answer = web.post(batch).json()
    assert answer["accepted"] + answer["duplicates"] == 200
    assert failed or answer["duplicates"] == 200
    assert Alert.objects.count() == 200


def test_it_ends_soon_and_cleanly_with_streams_and_long_polls_open(web: Web, as_user, carol):
    browser: Browser = as_user(carol)
    cookies = {"sessionid": browser.cookies["sessionid"].value}
    build.sensor()
    lease = {"hostname": "node-1", "kinds": ["kill_process"], "wait": 25}
    headers = {"Authorization": "Bearer sa_test"}
    with (
        web.session.get(f"{web.url}/stream", cookies=cookies, stream=True, timeout=30) as stream,
        ThreadPoolExecutor(1) as pool,
    ):
        assert stream.status_code == 200
        assert next(stream.iter_content(64)).startswith(b"retry: 2000\n")
        polling = pool.submit(requests.post, f"{web.url}/api/v1/actions/lease", json=lease, headers=headers, timeout=30)
        assert web.post(build.posted()).status_code == 202
        started = time.monotonic()
        assert web.terminate() == 0
        assert time.monotonic() - started < 10
        polling.exception(10)
    assert Alert.objects.count() == 1
