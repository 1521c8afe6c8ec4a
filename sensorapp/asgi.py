"""The server's one entry: a few raw paths that carry load, and Django for everything else.

Served by granian: `granian --interface asgi sensorapp.asgi:application`.
"""

import os

import django
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
django.setup(set_prefix=False)

from routing.api.entry import Entry  # noqa: E402 - models can be imported only after the setup

application = Entry(ASGIHandler())
