"""Reading every log on one's own, even after its wipe, and noticing damage."""

from __future__ import annotations

from dataclasses import replace

from holdfast.core.events import Admitted, EffectEnded
from holdfast.core.lifecycle import SessionState
from holdfast.testing.sim.world import World


def lived(seed: int, *features: str) -> World:
    """A world after its end."""
    world = World(seed, features)
    assert () == world.run().problems
    return world


def test_a_log_is_read_to_its_end() -> None:
    """Views follow events; the window is the one of that version."""
    world = lived(3)
    for log in world.observer.all():
        assert len(log.events) + 1 == len(log.views)
        assert log.view.version == world.observer.length_of(log.session_id)
        assert log.events == log.of(object)
        shown = log.bodies_at(log.view.version).visible()
        assert all(entry.version <= log.view.version for entry in shown)
    assert 0 == world.observer.length_of("nothing") == world.observer.acked_of("nothing")


def test_a_wiped_session_is_still_readable_to_the_observer() -> None:
    """Its key was copied at birth."""
    for seed in range(200):
        world = lived(seed, "wipes")
        gone = [log for log in world.observer.all() if log.view.wiped]
        if any(log.of(Admitted) for log in gone):
            break
    assert any(log.of(Admitted) for log in gone)
    assert {SessionState.TERMINATED} == {log.view.state for log in gone}


def test_damage_is_told_and_ends_the_reading() -> None:
    """A row that does not fit the chain, one that is missing, one of another key."""
    for kind in ("altered", "missing", "unreadable"):
        world = World(3, ())
        assert () == world.run().problems
        log = next(iter(world.observer.logs.values()))
        rows = world.disk.streams[log.stream].events
        events = len(rows)
        log.events.clear()
        log.views[1:] = []
        log.head = bytes(32)
        if kind == "altered":
            rows[1] = replace(rows[1], body=rows[1].body[:-1] + b"?")
        elif kind == "missing":
            del rows[1]
        else:
            log.crypto = type(log.crypto)(
                world.keys.create_session_key(tenant="t", user="u", stream=99),
                world.clock.random_bytes,
            )
        found = world.observer.read(log.stream)
        assert found.damage
        assert len(found.events) < events and not found.of(EffectEnded)
