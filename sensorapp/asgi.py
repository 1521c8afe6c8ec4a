"""The server's one entry: a few raw paths that carry load, and Django for everything else.

Served by granian: `granian --interface asgi sensorapp.asgi:application`.
"""

import os
from importlib import import_module

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
pages = get_asgi_application()

from routing import patience  # noqa: E402 - models can be imported only after Django's setup
from routing.api.entry import Entry  # noqa: E402
from sensorapp import garbage  # noqa: E402

# Longer than anybody waits for a page. Workers have no limit: they count days and move alerts.
STATEMENT_SECONDS = 30.0

patience.limit(STATEMENT_SECONDS)
application = Entry(pages)  # type: ignore[arg-type]  # Django asks for a dict where ASGI has any mapping
# The pages are loaded now, not by whoever asks for the first one.
import_module(settings.ROOT_URLCONF)
garbage.look_less_often()
