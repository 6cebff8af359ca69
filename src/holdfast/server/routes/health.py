"""Whether the server is there, whether it can serve, and what it counts."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import PlainTextResponse, Response

from holdfast.server.auth import manager_of, require
from holdfast.server.problems import problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The server is there; nothing else is said to strangers."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok"] = "ok"


@router.get("/health", response_model=Health, operation_id="health")
async def health() -> Health:
    """Say that the process is there."""
    return Health()


@router.get("/ready", response_model=Health, operation_id="ready")
async def ready(request: Request) -> Health | Response:
    """Say whether requests can be served: every store answers, and nothing is being stopped."""
    if request.app.state.draining:
        return problem(503, "draining", "The server is about to stop.")
    stores = await manager_of(request).store_health()
    if not stores or not all(found.ok for _, found in stores):
        return problem(503, "unavailable", "A store does not answer.")
    return Health()


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=PlainTextResponse,
    dependencies=[require("metrics:read")],
)
async def metrics(request: Request) -> PlainTextResponse:
    """The figures of the server, as Prometheus reads them."""
    manager = manager_of(request)
    led, watched = manager.at_work()
    gauges = {
        "holdfast_sessions_led": ("Sessions that this process leads.", float(led)),
        "holdfast_streams_open": ("Readers of live events.", float(watched)),
        "holdfast_telemetry_lost": (
            "What telemetry was told and could not keep.",
            float(manager.telemetry.lost),
        ),
    }
    text = request.app.state.metrics.text(gauges)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")
