"""The Celery application. Tasks are doorbells: they take ids, and losing one loses nothing."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun, worker_init

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


OBJECTS_BETWEEN_LOOKS = 50_000
"""More than a batch of alerts is made of. They die with their batch; Python's default of 700 looks through all of them
again and again, a sixth of what routing took."""


@worker_init.connect
def look_for_garbage_less_often(**kwargs: Any) -> None:
    """Reference cycles are rare here, and wait."""
    gc.set_threshold(OBJECTS_BETWEEN_LOOKS, *gc.get_threshold()[1:])


@task_postrun.connect
def keep_a_working_connection(**kwargs: Any) -> None:
    """As Django does after a request: the thread's connection is closed only if it is broken or old."""
    from django.db import close_old_connections

    close_old_connections()


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """A receiver here is what keeps Celery from replacing the `LOGGING` setting with its own."""
