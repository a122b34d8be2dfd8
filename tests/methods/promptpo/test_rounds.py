"""Rounds of PromptPO with scripted replies: what is asked, what is kept, and what of it is logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from r2po.analysis.logs.experiments import find_experiments
from r2po.errors import InputError, RunStopped
from r2po.experiment.observer import Observer
from r2po.experiment.resolve import name_equal_samples, name_idle_keys
from r2po.isolation.limits import Limits
from r2po.prompts.rounds import Rounds, round_prompt
from r2po.tasks import TASKS
from tests.builders import make_brief, make_config
from tests.methods.promptpo.programs import (
    ALL,
    BROKEN,
    CRASH,
    GOOD,
    LEFT,
    NO_NUMBER,
    RIGHT,
    SUMMARY,
    Model,
    block,
    make_run_config,
    policy,
    records,
    run,
    told,
)

Patch = pytest.MonkeyPatch


def test_the_best_of_a_round_is_kept(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search/1/0": block(LEFT), "search/1/1": block(GOOD), "search/1/2": block(RIGHT)})
    result = run(make_run_config(tmp_path, candidates=3, heldout_episodes=2), model, monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [("candidate_1", "works"), ("candidate_2", "works"), ("candidate_3", "works")]
    assert (record["accepted"], record["reward"]) == (1, 40.0)
    assert record["candidates"][1]["returns"] == [40.0, 40.0]
    assert all(8 <= value <= 12 for value in [*record["candidates"][0]["returns"], *record["candidates"][2]["returns"]])
    assert record["notes"]["summaries"] == ["40 steps", "40 steps"]
    assert record["notes"]["feedback"] == {
        "source": SUMMARY, "call": record["notes"]["feedback"]["call"], "repairs": 0, "why": ""
    }  # fmt: skip
    assert record["llm_calls"] == 4
    assert model.roles == [(1, "feedback", 1), (1, "search", 3)]
    assert len(set(model.prompts("search"))) == 1
    assert (result["best_source"], result["heldout_reward"]) == (GOOD, 40.0)


def test_of_equal_scores_the_first_is_kept_and_equal_programs_are_rolled_out_once(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    twin, other = f"# The same\n{GOOD}", GOOD.replace("> 0", "> 1e-9")
    replies = {f"search/1/{number}": block(source) for number, source in enumerate([LEFT, GOOD, twin, other])}
    run(make_run_config(tmp_path, candidates=4), Model(replies), monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [("candidate_1", "works"), ("candidate_2", "works"), ("candidate_4", "works")]
    assert record["notes"]["equal"] == {"candidate_3": "candidate_2"}
    assert record["candidates"][1]["returns"] == record["candidates"][2]["returns"]
    assert record["accepted"] == 1
    assert record["episodes"] == 6


@pytest.mark.slow
def test_all_candidates_of_a_round_have_the_same_seeds_under_both_protocols(tmp_path: Path, monkeypatch: Patch) -> None:
    replies = {"search/1/0": block(LEFT), "search/1/1": block(f"x = 1\n{LEFT}")}
    for protocol in ("published", "controlled"):
        config = make_run_config(tmp_path / protocol, protocol=protocol, budget="iterations")
        model = Model({**replies, "feedback": block(SUMMARY if protocol == "published" else ALL)})
        run(config, model, monkeypatch)
        (record,) = records(tmp_path / protocol)
        first, second = record["candidates"]
        assert first["returns"] == second["returns"]
        length = int(first["returns"][0])
        said = f"{length} steps" if protocol == "published" else f"{length} steps, {length} in all"
        assert record["notes"]["summaries"][0] == said


def test_a_crash_is_repaired(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search/1/0": block(CRASH), "search/1/1": block(LEFT), "repair/1/0": block(GOOD)})
    run(make_run_config(tmp_path, repairs=3), model, monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [("candidate_1", "error"), ("candidate_2", "works"), ("candidate_1_repair_1", "works")]
    assert record["candidates"][0]["lengths"] == [3, 3]
    assert record["accepted"] == 2
    assert (record["episodes"], record["steps"]) == (
        6,
        sum(map(sum, (each["lengths"] for each in record["candidates"]))),
    )
    (prompt,) = model.prompts("repair")
    assert prompt.startswith(model.prompts("search")[0].rstrip())
    assert f"```python\n{CRASH}\n```" in prompt
    assert "In step 4 of an episode:" in prompt
    assert "AttributeError: 'Policy' object has no attribute 'table'" in prompt


def test_repairs_are_made_side_by_side_and_end(tmp_path: Path, monkeypatch: Patch) -> None:
    replies = {"search/1/0": block(CRASH), "search/1/1": block(NO_NUMBER), "search/1/2": block(LEFT)}
    model = Model({**replies, "repair": block(BROKEN), "repair/1/0": block(BROKEN)})
    run(make_run_config(tmp_path, repairs=2, candidates=3), model, monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [
        ("candidate_1", "error"),
        ("candidate_2", "action"),
        ("candidate_3", "works"),
        ("candidate_1_repair_1", "syntax"),
        ("candidate_2_repair_1", "syntax"),
        ("candidate_1_repair_2", "syntax"),
        ("candidate_2_repair_2", "syntax"),
    ]
    assert record["accepted"] == 2
    assert record["llm_calls"] == 1 + 3 + 4
    # What cannot be loaded costs its calls, and no episode.
    assert record["episodes"] == 6


def test_a_reply_that_cannot_be_read_is_asked_for_again(tmp_path: Path, monkeypatch: Patch) -> None:
    replies = {"search/1/0/1": "I would push left.", "search/1/0/2": block(LEFT), "search/1/1": block(GOOD)}
    model = Model(replies)
    run(make_run_config(tmp_path), model, monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [("candidate_1", "works"), ("candidate_2", "works")]
    assert record["llm_calls"] == 4
    again = next(each.prompt for each in model.requests if each.attempt == 2)
    assert "Your previous reply could not be used: it holds no code block that defines a class Policy" in again


def test_a_reply_that_can_never_be_read_is_a_failure_and_no_end(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search/1/0": "I would push left.", "search/1/1": block(GOOD)})
    run(make_run_config(tmp_path, repairs=3), model, monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [("candidate_2", "works"), ("candidate_1", "policy")]
    failed = record["candidates"][1]
    assert failed["failure"]["text"].startswith("no usable reply in 6 attempts; the last one: it holds no code block")
    assert (failed["source"], failed["lengths"]) == ("", [])
    assert model.roles == [(1, "feedback", 1), (1, "search", 7)]
    asked = [request for request in model.requests if request.role == "search" and request.sample == 0]
    assert [request.attempt for request in asked] == [1, 2, 3, 4, 5, 6]
    assert len({request.prompt for request in asked}) == 6
    assert "This is attempt 6." in asked[-1].prompt


def test_if_all_fail_the_next_prompt_says_why(tmp_path: Path, monkeypatch: Patch) -> None:
    first = {"search/1/0": block(CRASH), "search/1/1": "No.", "search/1/2": block(BROKEN), "repair": block(CRASH)}
    second = {f"search/2/{sample}": block(LEFT) for sample in range(3)}
    model = Model({**first, **second})
    result = run(make_run_config(tmp_path, num_iterations=3, candidates=3, repairs=1, budget="iterations"), Model({
        **first, **second, "search/3": block(RIGHT)}), monkeypatch)  # fmt: skip
    one, two, three = records(tmp_path)
    assert (one["accepted"], one["reward"], one["best_reward"]) == (None, None, None)
    assert "summaries" not in one["notes"]
    assert (two["accepted"], three["accepted"]) == (0, 0)
    assert result["best_iteration"] in (2, 3)
    run(make_run_config(tmp_path, num_iterations=2, candidates=3, repairs=1), model, monkeypatch)
    prompt = model.prompts("search", 2)[0]
    assert "In the last round no policy worked. What went wrong:\n" in prompt
    assert "- error: AttributeError: 'Policy' object has no attribute 'table' (2 times)\n" in prompt
    assert "- policy: no usable reply in 6 attempts" in prompt
    assert "Round 1: no policy worked: " in prompt
    # There is nothing to reflect on yet, and no function has been tried.
    assert model.roles == [(1, "feedback", 1), (1, "search", 8), (1, "repair", 2), (2, "search", 3)]


@pytest.mark.slow
def test_a_run_in_which_nothing_works_ends_too(tmp_path: Path, monkeypatch: Patch) -> None:
    result = run(make_run_config(tmp_path, num_iterations=2), Model({"search": block(BROKEN)}), monkeypatch)
    assert [record["accepted"] for record in records(tmp_path)] == [None, None]
    assert (result["iterations"], result["best_reward"], result["heldout_reward"]) == (2, None, None)


@pytest.mark.slow
def test_the_better_round_is_delivered_even_if_a_worse_one_follows(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search/1": block(GOOD), "search/2": block(LEFT), "search/3": block(RIGHT)})
    result = run(make_run_config(tmp_path, num_iterations=3), model, monkeypatch)
    assert [record["reward"] > 39 for record in records(tmp_path)] == [True, False, False]
    assert (result["best_source"], result["best_iteration"], result["best_reward"]) == (GOOD, 1, 40.0)
    assert "The best policy so far is that of round 1.\n" in model.prompts("search", 3)[0]


def test_reflections(tmp_path: Path, monkeypatch: Patch) -> None:
    replies = {f"search/{number}": block(source) for number, source in enumerate([LEFT, BROKEN, GOOD, RIGHT], 1)}
    model = Model({**replies, "reflection/2": "Falls at once.", "reflection/4": "Far better."})
    run(make_run_config(tmp_path, num_iterations=4, candidates=1), model, monkeypatch)
    made = records(tmp_path)
    # Each kept policy is reflected on once: that of round 1 is the last one kept before rounds 2 and 3.
    assert [record["notes"].get("reflection", {}).get("of") for record in made] == [None, 1, None, 3]
    assert [each[:2] for each in model.roles if each[1] == "reflection"] == [(2, "reflection"), (4, "reflection")]
    (last,) = model.prompts("search", 4)
    assert "Reflection: Falls at once.\n" in last
    assert "Reflection: Far better.\n" in last
    assert "Reflect on the policy of round 3, the best so far." in model.prompts("reflection", 4)[0]


@pytest.mark.slow
def test_no_reflections(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search": block(GOOD)})
    run(make_run_config(tmp_path, num_iterations=2, reflection=False), model, monkeypatch)
    assert {each.role for each in model.requests} == {"feedback", "search"}
    assert "Reflection:" not in model.prompts("search", 2)[0]


def test_a_hang_is_a_failure(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(Limits.__init__, "__defaults__", (60.0, 10.0, 0.4, 60, 600.0, 1024))
    hangs = policy("while True:", "    pass")
    model = Model({"search/1/0": block(hangs), "search/1/1": block(GOOD)})
    run(make_run_config(tmp_path), model, monkeypatch)
    (record,) = records(tmp_path)
    assert told(record) == [("candidate_1", "time"), ("candidate_2", "works")]


@pytest.mark.slow
def test_the_history_is_cut_under_controlled(tmp_path: Path, monkeypatch: Patch) -> None:
    sources = [f"# Round {number}\n{LEFT if number != 2 else GOOD}" for number in range(1, 7)]
    replies = {f"search/{number}": block(source) for number, source in enumerate(sources, 1)}
    config = make_run_config(
        tmp_path,
        num_iterations=6,
        candidates=1,
        protocol="controlled",
        history={"last": 2, "best": 1},
        reflection=False,
    )
    model = Model({**replies, "feedback": block(ALL)})
    run(config, model, monkeypatch)
    (prompt,) = model.prompts("search", 6)
    assert [number for number in range(1, 6) if f"# Round {number}\n" in prompt] == [2, 4, 5]
    assert prompt.count("\nRound ") == 5


# ---- The function that summarizes episodes ----


def test_a_function_that_fails_is_repaired_with_its_traceback(tmp_path: Path, monkeypatch: Patch) -> None:
    wrong = "def summarize(observations):\n    return str(observations[99])"
    model = Model({"feedback": block(wrong), "repair/1/0": block(SUMMARY), "search": block(GOOD)})
    run(make_run_config(tmp_path, num_iterations=2, candidates=1), model, monkeypatch)
    one, two = records(tmp_path)
    assert (one["notes"]["feedback"]["source"], one["notes"]["feedback"]["repairs"]) == (SUMMARY, 1)
    assert one["notes"]["summaries"] == two["notes"]["summaries"] == ["40 steps", "40 steps"]
    assert "feedback" not in two["notes"]
    (prompt,) = model.prompts("repair")
    assert prompt.startswith(model.prompts("feedback")[0].rstrip())
    assert "In episode 1:\nline 2, in summarize\n" in prompt
    assert "Episode 2: 40 steps\n" in model.prompts("search", 2)[0]


@pytest.mark.slow
def test_after_three_repairs_statistics_take_its_place(tmp_path: Path, monkeypatch: Patch) -> None:
    wrong = block("def summarize(observations):\n    return 7")
    model = Model({"feedback": wrong, "repair": wrong, "search": block(GOOD)})
    run(make_run_config(tmp_path, num_iterations=2, candidates=1), model, monkeypatch)
    one, two = records(tmp_path)
    assert model.roles.count((1, "repair", 3)) == 1
    assert one["notes"]["feedback"] == {
        "source": "",
        "call": "",
        "repairs": 3,
        "why": "action: IllegalAction: summarize must return a text that is not empty, not 7",
    }
    assert "feedback" not in two["notes"]
    for record in (one, two):
        assert [text.split("\n")[0] for text in record["notes"]["summaries"]] == ["40 steps, cap"] * 2


def test_no_usable_function_is_no_end(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"feedback": "No.", "search": block(GOOD)})
    run(make_run_config(tmp_path, candidates=1), model, monkeypatch)
    (record,) = records(tmp_path)
    assert record["notes"]["feedback"]["why"].startswith("no usable reply: it holds no code block that defines")
    assert record["notes"]["summaries"][0].startswith("40 steps, cap\nstates: first [")
    assert model.roles[0] == (1, "feedback", 6)


# ---- Budgets ----


def test_a_budget_of_evaluations_counts_repairs(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr("r2po.methods.promptpo.options.EVALUATION_BUDGET", 7)
    first = {"search/1/0": block(CRASH), "search/1/1": block(LEFT), "repair/1/0": block(RIGHT)}
    second = {"search/2/0": block(BROKEN), "search/2/1": block(CRASH), "repair/2": block(GOOD)}
    model = Model({**first, **second, "search/3": block(GOOD)})
    config = make_run_config(tmp_path, num_iterations=9, repairs=1, budget="evaluations")
    result = run(config, model, monkeypatch)
    one, two, three = records(tmp_path)
    # 3, then 3 since what cannot be loaded is no evaluation, then the one that is left.
    assert [len([each for each in record["candidates"] if each["lengths"]]) for record in (one, two, three)] == [
        3,
        3,
        1,
    ]
    assert [len(record["candidates"]) for record in (one, two, three)] == [3, 4, 1]
    assert result["iterations"] == 3
    assert "This is round 3; 6 of 7 evaluations are spent." in model.prompts("search", 3)[0]


@pytest.mark.parametrize("most", [3, 9, 10])
def test_max_llm_calls_is_never_exceeded(most: int, tmp_path: Path, monkeypatch: Patch) -> None:
    crashes = {
        f"{role}/1/{sample}": block(f"x = {sample}\n{CRASH}") for role in ("search", "repair") for sample in range(3)
    }
    model = Model({**crashes, "repair": block(CRASH)})
    config = make_run_config(tmp_path, repairs=2, candidates=3, max_llm_calls=most)
    if most < 10:
        with pytest.raises(RunStopped, match="max_llm_calls"):
            run(config, model, monkeypatch)
    else:
        run(config, model, monkeypatch)
    assert len(model.requests) == most


@pytest.mark.slow
def test_a_resumed_search_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: Patch) -> None:
    replies = {
        "search/1/0": block(CRASH), "search/1/1": "No.", "repair/1": block(LEFT), "search/2/0": block(GOOD),
        "search/2/1": block(f"# Equal\n{GOOD}"), "search/3": block(BROKEN), "repair/3": block(RIGHT),
        "feedback": block("def summarize(observations):\n    return str(observations[0])"),
    }  # fmt: skip
    config = make_run_config(tmp_path / "whole", num_iterations=3, repairs=1)
    whole = Model(replies)
    expected = run(config, whole, monkeypatch)
    for most in (9, len(whole.requests) - 1):
        config = make_run_config(tmp_path / str(most), num_iterations=3, repairs=1)
        with pytest.raises(RunStopped):
            run(config.model_copy(update={"max_llm_calls": most}), Model(replies), monkeypatch)
        rest = Model(replies)
        result = run(config, rest, monkeypatch, resume=1)
        assert len(rest.requests) == len(whole.requests) - most
        assert _steady(tmp_path / str(most)) == _steady(tmp_path / "whole")
        assert (result["best_source"], result["heldout_reward"]) == (
            expected["best_source"],
            expected["heldout_reward"],
        )


@pytest.mark.parametrize("by_position", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_replay_gives_the_same_bytes(by_position: bool, tmp_path: Path, monkeypatch: Patch) -> None:
    replies = {"search/1/0": block(CRASH), "search/1/1": block(LEFT), "repair": block(RIGHT), "search/2": block(GOOD)}
    run(make_run_config(tmp_path / "first", num_iterations=2, repairs=2), Model(replies), monkeypatch)
    again = make_run_config(
        tmp_path / "again", num_iterations=2, repairs=2, llm_model_name=f"replay/{tmp_path / 'first' / 'run_1'}"
    )
    result = run(again, Model({}), monkeypatch, replay_by_position=by_position)
    assert _steady(tmp_path / "again") == _steady(tmp_path / "first")
    assert result["differing_prompts"] == 0


def _steady(logdir: Path) -> list[dict[str, object]]:
    """Return the rounds without what clocks and checksums say."""
    return [{**record, "times": None, "sum": None, "sums": None} for record in records(logdir)]


# ---- Before the start ----


def test_a_search_of_programs_is_for_programs(tmp_path: Path) -> None:
    assert make_run_config(tmp_path).policy == "code"
    with pytest.raises(InputError, match="method 'promptpo' searches programs, not policy 'linear'"):
        make_run_config(tmp_path, policy="linear")


@pytest.mark.parametrize(
    ("information", "said"),
    [
        ("reward_source", "information is 'reward_source'; the card of mazerandom has no reward_source"),
        ("privileged", "information is 'privileged'; the card of mazerandom has no state to give"),
        ("all", "information is 'all'; input should be 'same', 'reward_source' or 'privileged'"),
    ],
)
def test_information_that_is_not_there_is_refused(information: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_config("mazerandom", "promptpo", information=information, llm_model_name="embedded/code")


def test_the_reward_as_code(tmp_path: Path, monkeypatch: Patch) -> None:
    hashes = set()
    for information in ("same", "reward_source"):
        model = Model({"search": block(GOOD)})
        logdir = tmp_path / information
        config = make_run_config(logdir, num_iterations=2, candidates=1, information=information)
        run(config, model, monkeypatch)
        shown = f"```python\n{TASKS['cartpole'].reward_source.strip()}\n```"
        told_of = {each.role for each in model.requests if shown in each.prompt}
        assert told_of == (set() if information == "same" else {"feedback", "reflection", "search"})
        (experiment,) = find_experiments(logdir)
        assert experiment.runs[0].settings["information"] == information
        assert experiment.runs[0].prompts == ("" if information == "same" else "reward as code")
        hashes.add(experiment.runs[0].prompts_hash)
    assert len(hashes) == 2
    assert len(find_experiments(tmp_path)) == 2  # never averaged


def test_what_the_reward_takes_and_policies_are_not_given() -> None:
    brief = make_brief("swimmer", "promptpo", llm_model_name="embedded/code", information="reward_source")
    prompt = round_prompt(brief, Rounds([], 0, None), iteration=1, candidates=2, reward_source=brief.task.reward_source)
    assert "(name_before) and after it (name_after):\n- x: x of the front link" in prompt


class Notes(Observer):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_samples_of_a_prompt_have_numbers_on_request(tmp_path: Path, monkeypatch: Patch) -> None:
    model = Model({"search": block(GOOD)})
    run(make_run_config(tmp_path, candidates=3, number_samples=True), model, monkeypatch)
    first, second, third = model.prompts("search")
    assert second.startswith(first)
    assert third.startswith(first)
    assert "this is number 2. Give an answer that differs" in second[len(first) :]
    assert "this is number 3. Give an answer that differs" in third[len(first) :]


def test_keys_without_effect_are_named(tmp_path: Path) -> None:
    notes = Notes()
    window = {"best": 1, "last": 1}
    name_idle_keys(make_run_config(tmp_path, number_samples=True, history_window=window), notes)
    name_idle_keys(make_run_config(tmp_path, number_samples=True, candidates=1), notes)
    assert notes.said == [
        "history_window: no effect, promptpo shows rounds; see the key history",
        "number_samples has no effect: promptpo asks for one sample of each prompt",
    ]


def test_equal_replies_are_announced(tmp_path: Path) -> None:
    notes = Notes()
    for temperature, candidates in [(0.7, 2), (0, 1), (None, 2), (0, 2)]:
        assert notes.said == []
        name_equal_samples(make_run_config(tmp_path, temperature=temperature, candidates=candidates), notes)
    name_equal_samples(make_run_config(tmp_path / "numbered", temperature=0, number_samples=True), notes)
    assert notes.said == [
        "promptpo asks for several samples of one prompt, and at temperature 0 they tend to be equal, whatever the "
        "seed; number_samples: true tells each further prompt its number, or set a higher temperature, or candidates: 1"
    ]
