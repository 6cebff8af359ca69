"""Reaching hosts under a policy: by the tools of a session, and by the runtime itself.

- *guard*: says which addresses may be connected to, whatever name led there.
- *dialer*: resolves a name once, asks the guard, and connects to just that address.
- *proxy*: the only way out of a sandbox; one per command, under its session's policy.
- *meter*: how many bytes have been exchanged.
"""
