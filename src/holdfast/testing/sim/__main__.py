"""`python -m holdfast.testing.sim`; see `runner`."""

from __future__ import annotations

from holdfast.testing.sim.runner import main

if __name__ == "__main__":
    raise SystemExit(main())
