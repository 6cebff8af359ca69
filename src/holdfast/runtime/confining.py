"""What a policy file says of the network and the enclave, put in force in a manager.

The manager's own arguments make it stricter and never looser; see `core.narrowing`
and `teepolicy`.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.core.errors import HoldfastError, InvalidInput, PolicyFileRefused
from holdfast.core.narrowing import narrower
from holdfast.core.network import NetworkPolicy
from holdfast.runtime.installed import Installed
from holdfast.runtime.policyfile import PolicyFile
from holdfast.runtime.policynetwork import Confined
from holdfast.runtime.tee import TeeConfig
from holdfast.runtime.teepolicy import stricter_tee
from holdfast.runtime.teeservice import TeeService


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the arguments of a manager say.

    Args:
        network, model_network: what tools and model clients may reach; None says nothing.
        enclave_llm: a model client was given as that of an enclave.

    Raises:
        InvalidInput: a budget of bytes for model clients, which count none.
    """

    network: NetworkPolicy | None = None
    model_network: NetworkPolicy | None = None
    enclave_llm: bool = False

    def __post_init__(self) -> None:
        if self.model_network is not None and self.model_network.bytes_max is not None:
            raise InvalidInput(
                "model_network has no bytes_max: what models exchange is not counted"
            )


class Confining(Installed, TeeService):
    """Joins the policy file with the arguments that speak of network and enclave."""

    _given: Given = Given()
    _model_network: NetworkPolicy | None = None

    def _bind(self, found: PolicyFile | None) -> None:
        confined = Confined() if found is None else found.confined
        try:
            self._bind_tee(confined.tee)
        except HoldfastError as error:
            if found is None:
                raise
            raise PolicyFileRefused(
                error.message, file=found.path, problem=error.reason, key="tee"
            ) from None
        self.trust.network = narrower(self._given.network, confined.network)
        self._model_network = narrower(self._given.model_network, confined.model_network)

    def _bind_tee(self, filed: TeeConfig | None) -> None:
        if self._given.enclave_llm and filed is not None:
            raise InvalidInput("the policy file speaks of an enclave, so enclave_llm is none")
        self.tee_runtime.adopt(stricter_tee(filed, self.tee_runtime.given))
