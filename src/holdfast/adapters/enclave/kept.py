"""A model whose key came through an attested channel, and lies sealed since.

- The key is written in no file of the enclave's and told to nobody: the owner hands it
  over once, and a restart finds it sealed.
- Whoever reaches the enclave can hand over another one. Each handing over makes a new
  version with a digest that nobody can choose, so that its owner knows its own.
- A channel was made when a certain key was kept. After another one has come, calls of
  that channel are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from holdfast.adapters.enclave.sealedfiles import SealedFiles
from holdfast.core.errors import InvalidInput, ProviderFailed
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.ports.counting import Count
from holdfast.ports.model import ModelClient, ModelEvent, ModelRequest

Build = Callable[[str], ModelClient]
"""Makes the client of a key."""


class KeptModel:
    """Implements `ports.model.ModelClient` for a key that is kept sealed.

    Args:
        files: where it is kept.
        name: the name that it is kept under.
        build: makes the client.
        shown: the client without its key; it is asked what it is, and makes no call.
    """

    zone = Zone.LOCAL
    sees: Sensitivity | None = None

    def __init__(self, files: SealedFiles, name: str, build: Build, shown: ModelClient) -> None:
        self.model = shown.model
        self.provider = shown.provider
        self.context_tokens = shown.context_tokens
        self.count = Count()
        self._shown = shown
        self._files = files
        self._name = name
        self._build = build
        self._client: ModelClient | None = None
        self._lock = asyncio.Lock()

    async def refresh(self) -> Count:
        """Use the key that is kept now; returns where it stands.

        Raises:
            SealRefused: what is there is not what was kept last; no key is used then.
        """
        async with self._lock:
            try:
                count, content = await asyncio.to_thread(self._files.read, self._name)
            except Exception:
                await self._use(Count(), None)
                raise
            if count != self.count:
                key = content.decode("utf-8")
                await self._use(count, self._build(key) if count.version else None)
            return count

    async def keep(self, key: str, *, above: int) -> Count:
        """Keep a key from now on, durably; returns where it stands then.

        Args:
            above: a version that is to be passed.

        Raises:
            InvalidInput: no client can be made with it; what was kept stays.
            TooLarge, StoreReadOnly, SealRefused: as of `SealedFiles.write`.
        """
        if not key:
            raise InvalidInput("a key is not empty")
        async with self._lock:
            client = self._build(key)
            try:
                count = await asyncio.to_thread(
                    self._files.write, self._name, key.encode(), above=above
                )
            except BaseException:
                await client.aclose()
                raise
            await self._use(count, client)
            return count

    async def _use(self, count: Count, client: ModelClient | None) -> None:
        before, self._client, self.count = self._client, client, count
        if before is not None:
            await before.aclose()

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Make one call with the key; see the port.

        Raises:
            ProviderFailed: there is none.
        """
        if self._client is None:
            raise ProviderFailed("the enclave was handed no key yet")
        return self._client.stream(request)

    async def aclose(self) -> None:
        """Close the client, and overwrite the key that files are opened with."""
        async with self._lock:
            await self._use(Count(), None)
            await self._shown.aclose()
            self._files.close()
