"""The server's one entry: a few raw paths that carry load, and Django for everything else.

Served by granian: `granian --interface asgi sensorapp.asgi:application`.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sensorapp.settings")
pages = get_asgi_application()

from routing.api.entry import Entry  # noqa: E402 - models can be imported only after Django's setup

application = Entry(pages)  # type: ignore[arg-type]  # Django asks for a dict where ASGI has any mapping
