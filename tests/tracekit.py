"""What tests of telemetry share: an SDK that keeps what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from holdfast.adapters.telemetry.otel import OpenTelemetry


class Kept:
    """Telemetry, and all that it was told."""

    def __init__(self, *, content: bool = False) -> None:
        self._spans, self._figures = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meters = MeterProvider([self._figures], shutdown_on_exit=False)
        self.telemetry = OpenTelemetry(self.tracers, self.meters, content=content)

    def settle(self) -> None:
        """Wait until all that is over has ended; where no loop runs."""
        asyncio.run(self.telemetry.flush())

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in the order in which they began."""
        return sorted(self._spans.get_finished_spans(), key=lambda one: one.start_time or 0)

    def one(self, name: str) -> ReadableSpan:
        """The only span of a name."""
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def tree(self) -> dict[str, str]:
        """The name of each span, and that of the one it is a part of, or ""."""
        names = {span.context.span_id: span.name for span in self.spans}
        return {
            span.name: names.get(span.parent.span_id, "elsewhere") if span.parent else ""
            for span in self.spans
        }

    def figures(self, name: str) -> Iterator[HistogramDataPoint]:
        """The points of a histogram."""
        data = self._figures.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == name:
                        for point in metric.data.data_points:
                            assert isinstance(point, HistogramDataPoint)
                            yield point

    def text(self) -> str:
        """All of it, to look for what must not be there."""
        data = self._figures.get_metrics_data()
        told = [span.to_json() for span in self.spans]
        return json.dumps([*told, data.to_json() if data is not None else ""])
