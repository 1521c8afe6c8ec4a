"""Spans for OpenTelemetry, where a collector is named (`OTEL_EXPORTER_OTLP_ENDPOINT`); else nothing, at no cost.

The spans leave through `routing.outbound` like everything else, as OTLP over HTTP. Sampling is set with
OpenTelemetry's own variables (`OTEL_TRACES_SAMPLER`).
"""

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import structlog
from django.conf import settings

from routing import outbound
from sensor.version import VERSION

log = structlog.get_logger(__name__)

TOTAL_SECONDS = 10.0
_NOTHING: AbstractContextManager[Any] = nullcontext()


def span(name: str, **attributes: str | int) -> AbstractContextManager[Any]:
    """A context that is told to the collector with its duration, its attributes and what was raised in it."""
    if not settings.OTEL_ENDPOINT:
        return _NOTHING
    tracer = _tracer(settings.OTEL_ENDPOINT)
    if tracer is None:
        return _NOTHING
    made: AbstractContextManager[Any] = tracer.start_as_current_span(name, attributes=attributes)
    return made


@lru_cache(maxsize=1)
def _tracer(endpoint: str) -> Any:
    """The process's tracer; None where the extra `otel` is not installed, which is said once."""
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        log.error("spans_not_told", error="OpenTelemetry is not installed: pip install 'sensorapp[otel]'")
        return None
    provider = TracerProvider(resource=Resource.create({"service.name": "sensorapp", "service.version": VERSION}))
    provider.add_span_processor(BatchSpanProcessor(_exporter(endpoint)))
    return provider.get_tracer("sensorapp", VERSION)


def _exporter(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Exporter(SpanExporter):
        """Hands finished spans to the collector; what it does not take is dropped, and logged."""

        def export(self, spans: Any) -> SpanExportResult:
            body = encode_spans(spans).SerializeToString()
            headers = {"Content-Type": "application/x-protobuf"}
            url = f"{endpoint.rstrip('/')}/v1/traces"
            try:
                answer = outbound.request("POST", url, body=body, headers=headers, total=TOTAL_SECONDS)
                problem = f"it answered {answer.status}" if answer.status >= 400 else ""
            except outbound.OutboundError as error:
                problem = str(error)
            if problem:
                log.warning("spans_not_told", spans=len(spans), error=problem)
                return SpanExportResult.FAILURE
            return SpanExportResult.SUCCESS

    return Exporter()
