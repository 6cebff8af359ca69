"""What is counted, in the text form that Prometheus reads.

Labels are methods, routes without what stands in them, and states: never an id, a
name or a word of content, and only as many as there are routes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The requests of one application."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], int] = {}
        self._times: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def request(self, method: str, route: str, status: int, took_s: float) -> None:
        """Count a request that was answered."""
        known = method if method in METHODS else "other"
        place = (known, route, status)
        self._requests[place] = self._requests.get(place, 0) + 1
        times = self._times.setdefault(route, [0] * (len(BOUNDS_S) + 1))
        times[bisect_left(BOUNDS_S, took_s)] += 1
        self._sums[route] = self._sums.get(route, 0.0) + took_s

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it.

        Args:
            gauges: further figures by name: what they are, and their value.
        """
        lines = _head("holdfast_http_requests_total", "counter", "Requests that were answered.")
        for (method, route, status), count in sorted(self._requests.items()):
            labels = f'method="{method}",route="{_escaped(route)}",status="{status}"'
            lines.append(f"holdfast_http_requests_total{{{labels}}} {count}")
        name = "holdfast_http_request_seconds"
        lines += _head(name, "histogram", "How long requests took.")
        for route, counts in sorted(self._times.items()):
            lines += _histogram(name, route, counts, self._sums[route])
        for gauge, (meaning, value) in gauges.items():
            lines += [*_head(gauge, "gauge", meaning), f"{gauge} {value:g}"]
        return "\n".join(lines) + "\n"


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]


def _histogram(name: str, route: str, counts: list[int], total_s: float) -> Iterable[str]:
    label, seen = f'route="{_escaped(route)}"', 0
    for bound, count in zip((*BOUNDS_S, "+Inf"), counts, strict=True):
        seen += count
        yield f'{name}_bucket{{{label},le="{bound}"}} {seen}'
    yield f"{name}_sum{{{label}}} {total_s:.6f}"
    yield f"{name}_count{{{label}}} {seen}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
