"""The Celery application. Tasks are doorbells: they take ids, and losing one loses nothing."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")

app = Celery("sensorapp")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["routing"])
