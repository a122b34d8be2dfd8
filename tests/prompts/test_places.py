"""Where prompts stop being the beginning of later ones."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cache_bill import common
from r2po.errors import UnusableReply
from r2po.isolation.outcomes import Failure
from r2po.llm.providers.embedded import EmbeddedSearch
from r2po.llm.types import Provider, Question, Reply, Request
from r2po.methods.asking import Ask
from r2po.prompts import HistoryWindow
from r2po.prompts.places import Marked, ends_of, in_prompt
from r2po.prompts.rounds import Round, Rounds, reflection_prompt, repair_prompt, round_prompt
from tests.builders import make_brief, make_config, open_client, open_experiment
from tests.scripted import Scripted


def test_places_are_those_after_the_line_breaks_of_the_history() -> None:
    history = Marked("one\ntwo", (3, 7))
    assert ends_of(in_prompt("task\none\ntwo\n\nnow", history)) == (9, 13)


def test_a_line_that_goes_on_is_no_place() -> None:
    assert ends_of(in_prompt("task\none\ntwo.", Marked("one\ntwo", (3, 7)))) == (9,)


def test_the_beginning_of_a_history_may_be_a_place() -> None:
    assert ends_of(in_prompt("task\none", Marked("one", (0,)))) == (5,)
    assert ends_of(in_prompt("one", Marked("one", (0,)))) == ()


@pytest.mark.parametrize("prompt", ["task\nONE\n", "task", ""])
def test_a_template_that_shows_the_history_otherwise_has_no_places(prompt: str) -> None:
    assert ends_of(in_prompt(prompt, Marked("one", (3,)))) == ()


def test_no_history_and_other_texts_have_no_places() -> None:
    assert ends_of(in_prompt("task\n(no trials yet)", Marked(""))) == ends_of("task") == ()


# ---- As runs ask ----


class Listening(Provider):
    """Passes questions on to a stand-in, and keeps them."""

    is_stand_in = True

    def __init__(self, model: Provider) -> None:
        self.model = model
        self.asked: defaultdict[str, list[Request]] = defaultdict(list)

    def complete(self, request: Request) -> Reply:
        self.asked[request.role].append(request)
        return self.model.complete(request)


def run(folder: Path, environment: str, method: str, **values: Any) -> dict[str, list[Request]]:
    settings = {"num_iterations": 3, "num_evaluation_episodes": 1, "warmup_episodes": 2, "max_traj_length": 10}
    provider = Listening(EmbeddedSearch())
    config = make_config(environment, method, **{**settings, "heldout_episodes": 0, **values})
    with open_experiment(config, provider, folder) as experiment:
        experiment.run()
    return provider.asked


@pytest.mark.parametrize("prompts", ["published", "compact"])
@pytest.mark.parametrize(
    ("environment", "method"),
    [
        *(("cartpole", method) for method in ("r2po", "props", "reptraj", "three_traj", "critic_only", "pure_search")),
        *(("frozenlake", method) for method in ("r2po", "propsp", "reptraj")),
    ],
)
def test_each_prompt_begins_with_all_that_earlier_ones_promised(
    tmp_path: Path, environment: str, method: str, prompts: str
) -> None:
    """And ends what it promises where nothing that it shares with the next is left out but line breaks."""
    for requests in run(tmp_path, environment, method, prompts=prompts).values():
        for earlier, later in pairwise(requests):
            end = earlier.stable[-1]
            assert later.prompt.startswith(earlier.prompt[:end])
            assert later.stable[: len(earlier.stable)] == earlier.stable
            if earlier.prompt != later.prompt:
                assert later.stable == (*earlier.stable, later.stable[-1])
                assert not earlier.prompt[end : len(common(earlier.prompt, later.prompt))].strip()


@pytest.mark.parametrize("prompts", ["published", "compact"])
def test_a_second_pass_promises_a_trial_that_may_not_stay(tmp_path: Path, prompts: str) -> None:
    """All but its last place are those of the first pass, where the next prompt goes on."""
    asked = run(tmp_path, "cartpole", "actor_second_pass", prompts=prompts)["search"]
    for first, second, following in zip(asked[::2], asked[1::2], asked[2::2], strict=False):
        assert second.stable[:-1] == first.stable == following.stable[:-1]


@pytest.mark.parametrize("prompts", ["published", "compact"])
def test_a_history_that_is_cut_promises_what_stands_before_it(tmp_path: Path, prompts: str) -> None:
    """With room for 3 trials, the second iteration shows them all, and the next one cannot."""
    window = HistoryWindow(best=1, last=2).model_dump()
    for requests in run(tmp_path, "cartpole", "r2po", prompts=prompts, history_window=window).values():
        assert [len(request.stable) for request in requests] == [1, 1, 1]
        ends = [request.stable[-1] for request in requests]
        assert ends[0] > ends[1] == ends[2] > 100
        assert len({request.prompt[:end] for request, end in zip(requests[1:], ends[1:], strict=True)}) == 1
        assert requests[1].prompt.startswith(requests[0].prompt[: ends[0]])


def rounds(number: int, best: int | None) -> Rounds:
    kept = [Round(each, f"# program {each}", (float(each), 1.0)) for each in range(1, number + 1)]
    return Rounds(kept, last=1, best=best)


def test_rounds_promise_their_history_if_all_of_it_stays_as_it_is() -> None:
    texts = [rounds(number, None).write() for number in range(1, 5)]
    assert [ends_of(text)[-1] for text in texts] == [len(text) for text in texts]
    for earlier, later in pairwise(texts):
        assert later.startswith(f"{earlier}\n")
        assert ends_of(later)[:-1] == ends_of(earlier)


def test_rounds_that_are_shortened_later_promise_nothing() -> None:
    """All but the latest and the best are shown in a line."""
    assert {ends_of(rounds(number, 1).write()) for number in range(1, 5)} == {(0,)}


def test_the_prompts_of_a_round_promise_what_their_history_does() -> None:
    brief = make_brief("cartpole", "promptpo")
    for best, count in ((None, 3), (1, 1)):
        shown = rounds(3, best)
        prompt = round_prompt(brief, shown, iteration=4, candidates=2)
        repair = repair_prompt(brief, prompt, "# broken", Failure("syntax", "it is broken"))
        assert len(ends_of(prompt)) == len(ends_of(reflection_prompt(brief, shown))) == count
        assert ends_of(repair) == ends_of(prompt)
        assert repair.startswith(prompt[: ends_of(prompt)[-1]])


def test_a_further_attempt_has_the_places_of_the_first(tmp_path: Path) -> None:
    provider = Scripted(["bad", "good"])

    def read(text: str) -> str:
        if text == "bad":
            raise UnusableReply("it is bad")
        return text

    with open_client(provider, tmp_path) as client:
        assert Ask(client, Question(1, "search", 0, 1, "task\nnow", stable=(5,)), read)().value == "good"
    assert [request.stable for request in provider.requests] == [(5,), (5,)]
    assert provider.prompts[1].startswith("task\nnow\n\nYour previous reply")
