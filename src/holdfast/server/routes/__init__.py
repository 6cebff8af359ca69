"""The routers, one for each capability; a later one adds its file and its line."""

from __future__ import annotations

from fastapi import APIRouter

from holdfast.server.routes import (
    agent,
    audit,
    content,
    events,
    families,
    gateway,
    grants,
    health,
    messages,
    policies,
    sessions,
    tokens,
    wellknown,
)

ROUTERS: dict[str, APIRouter] = {
    "health": health.router,
    "gateway": gateway.router,
    "families": families.router,
    "sessions": sessions.router,
    "messages": messages.router,
    "events": events.router,
    "policies": policies.router,
    "grants": grants.router,
    "content": content.router,
    "audit": audit.router,
    "tokens": tokens.router,
    "agent": agent.router,
    "wellknown": wellknown.router,
}
"""Every router by the name of what it offers."""
