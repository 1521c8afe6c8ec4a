"""Writes what a new kind of sink needs: the bodies that its golden file has not yet, and its place in docs/sinks.md."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
# The receiver that is sent to is on this machine.
os.environ.setdefault("OUTBOUND_ALLOW", "127.0.0.0/8")
django.setup()

from tests.contract import golden, sink_pages  # noqa: E402  # the settings come first

golden.record()
sink_pages.DOCS.write_text(sink_pages.complete(sink_pages.DOCS.read_text(encoding="utf-8")), encoding="utf-8")
