"""A warm process that has imported everything, holds no connection and forks lives.

It reads orders as JSON lines, forks for each, says `pid <n>`, waits and says `exit <status>`
(128 + signal when it was killed).
"""

from __future__ import annotations

import asyncio
import faulthandler
import json
import os
import sys
import traceback


def warm_up() -> None:
    """Build what is built on first use (codecs, validators), on a session in memory."""
    from holdfast.testing.script import say
    from holdfast.testing.scripted import ScriptedModel
    from sessionhelp import one_session  # lazy: as above

    async def work() -> None:
        async with one_session(ScriptedModel([say("warm")])) as session:
            await session.generate("up")

    asyncio.run(work())


def main() -> None:
    """Serve orders until the input ends."""
    from crash_child import live  # lazy: a life's imports happen once, here, before any fork
    from crash_pair import act
    from wipe_child import wipe

    warm_up()
    doing = {"live": live, "act": act, "wipe": wipe}
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                faulthandler.enable()
                status = doing[order.get("do", "live")](order)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print("pid", pid, flush=True)
        if order.get("wait", True):
            _, status = os.waitpid(pid, 0)
            code = os.waitstatus_to_exitcode(status)
            print("exit", 128 - code if code < 0 else code, flush=True)


if __name__ == "__main__":
    main()
