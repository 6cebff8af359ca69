"""What a call may cost at most, as the shell estimates it."""

from __future__ import annotations

from budgethelp import PricedModel
from holdfast.core.actions import Cost
from holdfast.core.messages import user
from holdfast.core.settings import Settings
from holdfast.core.tools import Nature, ToolSpec
from holdfast.core.view import SessionView
from holdfast.ports.model import ModelRequest
from holdfast.runtime.pricing import OUTPUT_TOKENS, Pricing, cost_of_request, max_output_of
from holdfast.testing.scripted import ScriptedModel

LOOK = ToolSpec(name="look", description="look", parameters="x" * 4_000, nature=Nature.READ_ONLY)
VIEW = SessionView(settings=Settings(max_context_length=50_000))


class Metered(PricedModel):
    """A model at 2 micro-USD a token in and 5 out."""

    def worst_cost(self, input_tokens: int, output_tokens: int) -> int:
        """The price."""
        return 2 * input_tokens + 5 * output_tokens


def test_a_client_without_prices_costs_tokens_only() -> None:
    """Nothing is held in money; the longest answer is assumed."""
    model = ScriptedModel([])
    assert None is max_output_of(model)
    cost = Pricing(lambda: ()).next_call(model, VIEW, "")
    assert Cost(tokens=OUTPUT_TOKENS, window=50_000) == cost


def test_prompt_tools_and_answer_are_priced_with_a_margin() -> None:
    """Half as much again as the estimate, the longest answer, the context by the thousand."""
    cost = Pricing(lambda: (LOOK,)).next_call(Metered([]), VIEW, "p" * 400)
    sent = (100 + 1_000) * 3 // 2
    assert Cost(micros=2 * sent + 5 * 100, tokens=sent + 100, window=50_000, per_1k=2_000) == cost


def test_what_has_not_changed_is_not_computed_again() -> None:
    """The same configuration gives the same value; another prompt another one."""
    pricing, model = Pricing(lambda: (LOOK,)), Metered([])
    first = pricing.next_call(model, VIEW, "p")
    assert first is pricing.next_call(model, VIEW, "q")
    assert first != pricing.next_call(model, VIEW, "p" * 999)
    thinking = SessionView(settings=Settings(max_context_length=50_000, thinking=True))
    assert first.tokens + 8_192 == pricing.next_call(model, thinking, "p").tokens


def test_a_request_of_the_program_is_priced_whole() -> None:
    """All of it is known, so no context is added."""
    request = ModelRequest(system="s" * 400, messages=(user("m" * 4_000),), max_output_tokens=10)
    cost = cost_of_request(Metered([]), request)
    assert 0 == cost.window and 2 * 1_100 * 3 // 2 <= cost.micros - 50 <= 2 * 1_300 * 3 // 2


def test_context_is_capped_at_the_window() -> None:
    """No request is larger than what the model takes."""
    cost = Cost(micros=1, tokens=2, window=100, per_1k=10)
    assert Cost(micros=1, tokens=2) == Cost(micros=1, tokens=2).with_context(50)
    assert (2, 77) == (cost.with_context(50).micros, cost.with_context(50).tokens)
    assert 102 == cost.with_context(10_000).tokens


class Guessing(Metered):
    """A model that is not sure of its prices."""

    known = False

    @property
    def price_known(self) -> bool:
        """Whether it is."""
        return self.known


def test_a_guess_is_marked() -> None:
    """A client that takes the worst price says so, and the reserve with it."""
    model = Guessing([])
    assert Pricing(lambda: ()).next_call(model, VIEW, "").estimated
    assert cost_of_request(model, ModelRequest(system="", messages=())).estimated
    model.known = True
    assert not cost_of_request(model, ModelRequest(system="", messages=())).estimated
    assert not cost_of_request(Metered([]), ModelRequest(system="", messages=())).estimated
