"""An agent's configuration that is not as it was written is found."""

from __future__ import annotations

from holdfast.core.settings import ModelSettings
from holdfast.ports.store import Grant
from holdfast.runtime.agentbook import config_scope
from sessionhelp import echo, memory, run

SECRET = "sk-" + "canary-audit-0123456789"
SCOPE = config_scope("default")


def test_a_row_that_was_put_back_or_altered_is_found() -> None:
    """Once, by its log's name, without what is in it; a good one is no finding."""

    async def work() -> None:
        async with memory(echo()) as sessions:
            store = sessions.distinct_backends()[0][1].store
            rows = []
            for model in ("a", "b"):
                gpt = ModelSettings(provider="openai", model=model)
                await sessions.set_agent_config(gpt, api_key=SECRET)
                rows += (await store.grants(SCOPE))[1]
            assert (await sessions.audit_verify()).ok
            old, good = rows
            for body in (old.body, good.body[:-1]):
                await store.put_grant(Grant(scope=SCOPE, id=good.id, body=body))
                (found,) = (await sessions.audit_verify()).findings
                assert ("agent-config:default", "config") == (found.session, found.kind)
                assert "never used" in found.text and SECRET not in found.text
            await store.put_grant(Grant(scope=SCOPE, id=good.id, body=good.body))
            assert (await sessions.audit_verify()).ok

    run(work())
