"""Holdfast as a service: sessions over HTTP for principals who show a token.

Glossary
- app: one ASGI application over one manager; `app.create_app` makes it, others mount it.
- shield: what every request passes before any route sees it (`shield`).
- principal: who a bearer token names. Its view of the manager is what a route gets.
- problem: an error as RFC 9457 has it; its type is `urn:holdfast:problem:<reason>`.
- router: the routes of one capability, one file in `routes`, registered by name.
"""
