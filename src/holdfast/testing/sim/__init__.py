"""A seeded simulation of whole installations: the real engine in a made-up world.

One seed makes one world: nodes, people, models, tools, a disk, and faults. It
runs on virtual time in one thread, so that the same seed is the same history.
What happened is judged afterwards, from the log and from a ledger of side
effects that the runtime never sees.

    python -m holdfast.testing.sim --runs 1000 --seed 1

- `loop`: virtual time, and processes that can be killed at any step
- `disk`: the store with its faults
- `outside`: tools, models and the ledger of what really happened
- `nodes`: a process with a manager in it
- `observer`: reads every log on its own, for judging
- `people`: what users do; `acts`: what they do about permission, money and children
- `gate`: hooks, prices and limits of a world
- `world`: puts it together and runs one seed
- `invariants`, `judging`, `mediation`, `accounting`: judge a finished world
- `runner`: many seeds, and the command line
"""
