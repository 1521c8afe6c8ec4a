"""Static files under ASGI."""

from contextlib import closing

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # WhiteNoise has no types
    """WhiteNoise whose answers hold their bytes: it streams from a file, which Django's ASGI side can only do by
    reading all of it anyway, with a warning each time. Our files are some tens of kilobytes."""

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        with closing(WhiteNoiseMiddleware.serve(static_file, request)) as streamed:
            return HttpResponse(b"".join(streamed), status=streamed.status_code, headers=dict(streamed.items()))
