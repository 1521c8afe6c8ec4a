"""The Celery application. Tasks are doorbells: they take ids, and losing one loses nothing."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init

from sensorapp import redis_transport

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
redis_transport.install()

app = Celery("sensorapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["routing"])


@worker_init.connect
def give_way(**kwargs: Any) -> None:
    """Posts come first: what is not stored is lost, what is not routed yet only waits."""
    from django.conf import settings

    os.nice(settings.WORKER_NICE)


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """A receiver here is what keeps Celery from replacing the `LOGGING` setting with its own."""
