"""The history of rounds: which are shown in full, how failures are named, and what nobody can break out of."""

from __future__ import annotations

from r2po.prompts.rounds import Round, Rounds, fenced

LINES = {
    1: "Round 1: mean return 10.00",
    2: "Round 2: mean return 40.00",
    3: "Round 3: no policy worked: error: KeyError: 7; time: the policy",
    4: "Round 4: mean return 30.00",
    5: "Round 5: mean return 20.00",
}


def rounds(last: int, best: int | None) -> Rounds:
    values = {1: 10.0, 2: 40.0, 4: 30.0, 5: 20.0}
    failures = ("error: KeyError: 7", "time: the policy took more than 10 s for one step", "error: KeyError: 7")
    return Rounds(
        [
            Round(number, f"# source {number}", (values[number] - 1, values[number] + 1), summaries=("fell", "stood"))
            if number in values
            else Round(number, failures=failures)
            for number in range(1, 6)
        ],
        last,
        best,
    )


def shown(written: str) -> list[int]:
    return [number for number in range(1, 6) if f"# source {number}\n" in written]


def test_every_round_has_its_line_and_some_their_source() -> None:
    for last, best, full in [
        (0, None, [1, 2, 4, 5]),
        (1, 1, [2, 5]),
        (2, 2, [2, 4, 5]),
        (0, 0, [2]),
        (9, 9, [1, 2, 4, 5]),
    ]:
        written = rounds(last, best).write()
        assert shown(written) == full
        for line in LINES.values():
            assert f"\n{line}\n" in f"\n{written}\n"


def test_a_round_in_full() -> None:
    texts = ("fell at once", "stood\nfor long")
    one = Round(1, "x = 1", (1.0, 3.0), 0.5, texts, reflection="It is better.")
    assert Rounds([one], 1, 1).write() == (
        "Round 1: success 0.50, mean return 2.00\n```python\nx = 1\n```\nReturns of its episodes: 1.00, 3.00\n"
        "Episode 1: fell at once\nEpisode 2: stood\nfor long\nReflection: It is better.\n"
    )


def test_success_goes_before_the_return_and_the_earlier_of_equals_first() -> None:
    made = [Round(1, "a", (9.0,), 0.0), Round(2, "b", (1.0,), 1.0), Round(3, "c", (1.0,), 1.0), Round(4)]
    assert [each.number for each in Rounds(made, 0, 0).ranked] == [2, 3, 1]
    assert Rounds(made, 0, 0).best_number == 2
    assert Rounds([Round(1)], 0, 0).best_number == 0
    kept = Rounds(made, 0, 0).kept
    assert kept is not None
    assert kept.number == 3


def test_the_history_only_grows_if_everything_is_shown() -> None:
    everything = rounds(0, None).rounds
    before = Rounds(everything[:4], 0, None).write()
    assert Rounds(everything, 0, None).write().startswith(before)


def test_a_source_stays_in_its_block() -> None:
    source = "x = '''\n```\n````python\n'''"
    block = fenced(source)
    assert block.splitlines()[0] == "`````python"
    assert block.splitlines()[1:-1] == source.splitlines()
    assert block.splitlines()[-1] == "`````"
