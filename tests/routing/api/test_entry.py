import threading

import pytest
import redis

from routing import doorbell
from routing.api.entry import PAGE_THREADS, RAW_THREADS
from tests import build
from tests.asgi import Client


@pytest.fixture(autouse=True)
def sensors_token(transactional_db: None) -> None:
    build.token("sensor", "sa_test", hostname="node-1")


def test_a_stored_alert_wakes_the_router_and_the_pages(server: Client, settings):
    async def heard() -> set[str]:
        async with doorbell.listen("alerts") as listener:
            posting = threading.Thread(target=server.post, args=("/api/v1/alerts", build.posted(), "sa_test"))
            posting.start()
            return await listener.heard(10)

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete("route")
        assert server.run(heard()) == {"alerts"}
        assert client.blpop(["route"], timeout=10) is not None
        assert client.llen("route") == 0


def test_a_dead_broker_neither_delays_nor_fails_a_post(server: Client, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nothing.sock"
    for number in range(5):
        assert server.post("/api/v1/alerts", build.posted(output=str(number)), "sa_test").status == 202


def test_what_no_raw_path_serves_is_djangos(server: Client):
    answer = server.get("/live/")
    assert (answer.status, answer.headers["location"]) == (302, "/sign-in/?next=/live/"), answer
    assert server.get("/api/v1/alerts").status == 401
    assert server.request("DELETE", "/api/v1/alerts").status == 405


def test_probes_may_ask_with_head(server: Client):
    assert server.request("HEAD", "/healthz").status == 200
    assert server.request("POST", "/healthz").status == 405


def test_open_streams_and_busy_pages_take_no_thread_of_their_own(server: Client, as_user, carol):
    cookie = f"sessionid={as_user(carol).cookies['sessionid'].value}"
    before = threading.active_count()
    streams = [server.stream("GET", "/stream", headers={"cookie": cookie}) for _ in range(50)]
    for stream in streams:
        assert stream.__enter__().read() is not None
    for _ in range(30):
        server.get("/live/")
    assert threading.active_count() <= before + PAGE_THREADS + RAW_THREADS
    for stream in streams:
        stream.__exit__(None, None, None)
