"""The routers, one for each capability; a later one adds its file and its line."""

from __future__ import annotations

from fastapi import APIRouter

from holdfast.server.routes import health

ROUTERS: dict[str, APIRouter] = {
    "health": health.router,
}
"""Every router by the name of what it offers."""
