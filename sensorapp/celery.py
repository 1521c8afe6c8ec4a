"""The Celery application. Tasks are doorbells: they take ids, and losing one loses nothing."""

import os
from pathlib import Path
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, worker_init

from sensorapp import garbage, redis_transport

log = structlog.get_logger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
redis_transport.install()

app = Celery("sensorapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["routing"])


AUTOGROUP = Path("/proc/self/autogroup")


@worker_init.connect
def give_way(**kwargs: Any) -> None:
    """Posts come first: what is not stored is lost, what is not routed yet only waits.

    Linux may share the processors among sessions, and heed nice values only within each (sched(7), "The autogroup
    feature"); a worker that leads a session of its own says it for that session too.
    """
    from django.conf import settings

    os.nice(settings.WORKER_NICE)
    if os.getsid(0) == os.getpid() and AUTOGROUP.exists():
        try:
            AUTOGROUP.write_text(f"{settings.WORKER_NICE}\n")
        except OSError as error:
            log.warning("session_does_not_give_way", error=str(error))


@worker_init.connect
def look_for_garbage_less_often(**kwargs: Any) -> None:
    garbage.look_less_often()


@task_postrun.connect
def keep_a_working_connection(**kwargs: Any) -> None:
    """As Django does after a request: the thread's connection is closed only if it is broken or old."""
    from django.db import close_old_connections

    close_old_connections()


@setup_logging.connect
def keep_our_logging(**kwargs: Any) -> None:
    """A receiver here is what keeps Celery from replacing the `LOGGING` setting with its own."""
