import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer

from routing import tracing

UNCONFIGURED = """
import sys
from django.conf import settings
settings.configure(OTEL_ENDPOINT="", OUTBOUND_ALLOW=[])
from routing import tracing
with tracing.span("nothing", alerts=1):
    pass
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.fixture
def collector(httpserver: HTTPServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    settings.OTEL_ENDPOINT = httpserver.url_for("/otlp")
    return httpserver


def test_without_a_collector_a_span_is_nothing_and_nothing_is_imported(settings: Any) -> None:
    assert tracing.span("one") is tracing.span("two", alerts=1)
    done = subprocess.run(
        [sys.executable, "-c", UNCONFIGURED], cwd=settings.BASE_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_span_is_told_to_the_collector_with_its_attributes(collector: HTTPServer) -> None:
    collector.expect_oneshot_request("/otlp/v1/traces", method="POST").respond_with_data("")
    with collector.wait(timeout=10) as waiting, tracing.span("ingest.commit", alerts=3):
        pass
    assert waiting.result
    request, _ = collector.log[0]
    (resource,) = ExportTraceServiceRequest.FromString(request.data).resource_spans
    (told,) = resource.scope_spans[0].spans
    assert (told.name, told.attributes[0].key, told.attributes[0].value.int_value) == ("ingest.commit", "alerts", 3)
    assert "sensorapp" in {one.value.string_value for one in resource.resource.attributes}


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1", "http://10.255.255.1:4318"])
def test_a_collector_that_takes_nothing_costs_the_spans_and_no_more(
    endpoint: str, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    httpserver.expect_request("/v1/traces").respond_with_data("", status=500)
    settings.OTEL_ENDPOINT = endpoint or httpserver.url_for("/")
    span = TracerProvider().get_tracer("test").start_span("one")
    span.end()
    assert tracing._exporter(settings.OTEL_ENDPOINT).export([span]).name == "FAILURE"
    assert "spans_not_told" in caplog.text


def test_without_the_extra_it_is_said_once_and_everything_goes_on(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings.OTEL_ENDPOINT = "http://127.0.0.1:2"
    for _ in range(2):
        with tracing.span("one"):
            pass
    assert caplog.text.count("pip install 'sensorapp[otel]'") == 1
