"""How patient a client is."""

from __future__ import annotations

import pytest

from holdfast.client.settings import ClientSettings
from holdfast.core.errors import InvalidInput


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "3", None])
def test_a_limit_is_a_number_above_zero(value: object) -> None:
    """Nothing can be waited for without end, and nothing be of any size."""
    with pytest.raises(InvalidInput, match="patience_s"):
        ClientSettings(patience_s=value)  # type: ignore[arg-type]  # the point of the test
    assert 0.5 == ClientSettings(patience_s=0.5).patience_s
