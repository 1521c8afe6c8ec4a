"""The Django project: wiring, no behaviour."""

from sensorapp.celery import app as celery_app

__all__ = ["celery_app"]
