"""The text that Prometheus reads."""

from __future__ import annotations

from holdfast.server.metrics import Metrics


def test_figures() -> None:
    """Counters, a cumulative histogram, gauges; labels are escaped."""
    metrics = Metrics()
    metrics.request("GET", "/a", 200, 0.003)
    metrics.request("GET", "/a", 200, 20.0)
    metrics.request("BREW", 'x"\\\n', 418, 0.0)
    text = metrics.text({"holdfast_x": ("What it is.", 2.0)})
    for line in (
        'holdfast_http_requests_total{method="GET",route="/a",status="200"} 2',
        'holdfast_http_request_seconds_bucket{route="/a",le="0.0025"} 0',
        'holdfast_http_request_seconds_bucket{route="/a",le="0.005"} 1',
        'holdfast_http_request_seconds_bucket{route="/a",le="+Inf"} 2',
        'holdfast_http_request_seconds_count{route="/a"} 2',
        'holdfast_http_request_seconds_sum{route="/a"} 20.003000',
        "holdfast_x 2",
    ):
        assert line in text.splitlines()
    assert 'method="other",route="x\\"\\\\\\n"' in text
