"""Asks for pages of a filled database and prints the seconds that each took, as JSON; `bench_pages` runs it."""

import json
import statistics
import time

import django

# Name, path; what is looked for is frequent, seldom, there once, or not there at all.
PAGES = {
    "list": "/alerts/",
    "list_week": "/alerts/?since=7d",
    "list_rule": "/alerts/?rule=Rule number 7 of the bench",
    "list_seldom_rule": "/alerts/?rule=Seldom",
    "list_host": "/alerts/?hostname=node-7",
    "list_severe": "/alerts/?priority=emergency",
    "list_namespace": "/alerts/?q=k8s.ns.name = team-7",
    "list_pod": "/alerts/?q=k8s.pod.name = web-seldom",
    "list_no_pod": "/alerts/?q=k8s.pod.name = nothing",
    "list_user": "/alerts/?q=user.name = root and alert.priority <= notice",
    "list_tag": "/alerts/?q=alert.tags intersects (T9999)",
    "list_words": "/alerts/?q=alert.output contains nothing-of-the-kind",
    "list_pattern": "/alerts/?q=proc.cmdline glob *nothing*",
    "groups": "/groups/",
    "overview": "/?span=24h",
}
TIMES = 5


def main() -> None:
    django.setup()
    from django.contrib.auth.models import User
    from django.test import Client
    from django.test.utils import override_settings

    person = User.objects.create(username="bench", is_superuser=True)
    client = Client(headers={"host": "localhost"})
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    storage = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    seconds: dict[str, float] = {}
    with override_settings(STORAGES={"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}, **storage}):
        for name, path in PAGES.items():
            took = []
            for _ in range(TIMES):
                began = time.perf_counter()
                answer = client.get(path)
                took.append(time.perf_counter() - began)
                assert answer.status_code == 200, (path, answer.status_code)
            seconds[name] = statistics.median(took)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
