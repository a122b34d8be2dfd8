"""Estimates of tokens: what is counted in a prompt, and what is learned from the counts of servers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.llm.providers.context import estimate_tokens
from r2po.llm.tokens import KINDS, Counted, Features, counted, estimate, features_of, token_range

NUMBERS = "f = -41.25; 137\n" * 40
SPLIT = 14 * 40  # f, =, -, 4, 1, ., 2, 5, ;, a blank, 1, 3, 7, the line break
JOINED = 10 * 40  # f, =, -, 41, ., 25, ;, a blank, 137, the line break


def held(prompt: str) -> dict[str, int]:
    return {kind.name: count for kind, count in zip(KINDS, features_of(prompt), strict=True) if count}


def seen(prompt: str, tokens: int) -> Counted:
    return Counted(features_of(prompt), tokens)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", {}),
        ("12345", {"groups of up to three digits": 2, "further digits of a group": 3}),
        ("a 7", {"words": 1, "blanks before a digit": 1, "groups of up to three digits": 1}),
        ("a  b", {"words": 2, "longer blanks before anything else": 1}),
        ("parameters", {"words": 1, "letters of a word after the seventh": 3}),
        (
            "]: (x",
            {"groups of marks": 1, "further marks of a group": 1, "groups of marks before a letter": 1, "words": 1},
        ),
        (".\n\na\nb", {"groups of marks": 1, "line breaks after a mark": 1, "other line breaks": 1, "words": 2}),
        ("\u03c4", {"bytes outside ASCII": 2}),
    ],
)
def test_what_a_prompt_holds(prompt: str, expected: dict[str, int]) -> None:
    found = held(prompt)
    found.pop("words that begin a line, besides", None)
    assert found == {"prompts": 1, **expected}


@given(st.text(alphabet="ab 12.\n-", max_size=60))
def test_nothing_is_lost_or_counted_twice(text: str) -> None:
    found = held(text)
    digits = found.get("groups of up to three digits", 0) * 1 + found.get("further digits of a group", 0)
    assert digits == sum(each.isdigit() for each in text)
    marks = (found.get(name, 0) for name in ("groups of marks", "groups of marks before a letter"))
    assert sum(marks) + found.get("further marks of a group", 0) == sum(each in ".-" for each in text)


@given(st.text(max_size=200))
def test_the_fewest_are_no_more_than_the_most(text: str) -> None:
    fewest, most = token_range(features_of(text))
    assert 0 <= fewest <= most


def test_the_range_holds_both_kinds_of_tokenizers() -> None:
    fewest, most = token_range(features_of(NUMBERS))
    assert fewest < JOINED < SPLIT < most < 1.2 * SPLIT
    assert most < estimate_tokens(NUMBERS) * 1.2


# What o200k_base and SmolLM2's tokenizer counted of the first and the last prompt of a role in a full run: what the
# prompt holds, then the counts.
FIRST_CRITIC = ((1, 561, 99, 191, 0, 591, 92, 797, 46, 72, 44, 32, 38, 0), 2201, 2423)
LAST_CRITIC = ((1, 5444, 4198, 1463, 0, 789, 92, 5746, 46, 740, 143, 523, 137, 0), 13994, 19162)
FIRST_SEARCH = ((1, 698, 47, 147, 0, 662, 88, 1085, 26, 247, 20, 38, 32, 0), 2638, 2740)
LAST_SEARCH = ((1, 7066, 579, 1299, 0, 3050, 88, 10480, 225, 2436, 20, 237, 231, 0), 22140, 22973)
LAST_SWIMMER = ((1, 42627, 21603, 10201, 0, 1443, 123, 52021, 33, 7907, 1030, 224, 214, 0), 108555, 133527)
FIRST_SWIMMER = ((1, 38537, 20016, 8642, 0, 1049, 123, 47674, 33, 6849, 1030, 125, 115, 0), 98066, 121352)


@pytest.mark.parametrize("tokenizer", [1, 2], ids=["o200k_base", "SmolLM2"])
@pytest.mark.parametrize(
    ("first", "last"),
    [(FIRST_CRITIC, LAST_CRITIC), (FIRST_SEARCH, LAST_SEARCH), (FIRST_SWIMMER, LAST_SWIMMER)],
    ids=["critic", "search", "swimmer"],
)
def test_one_answer_tells_the_tokens_of_a_prompt_eight_times_as_long(
    tokenizer: int, first: tuple[Features, int, int], last: tuple[Features, int, int]
) -> None:
    known = Counted(first[0], first[tokenizer])  # type: ignore[arg-type]
    assert estimate(last[0], [known]) == pytest.approx(last[tokenizer], rel=0.1)


@pytest.mark.parametrize("tokens", [SPLIT, JOINED])
def test_a_tokenizer_is_known_by_its_first_answer(tokens: int) -> None:
    assert estimate(features_of(NUMBERS * 30), [seen(NUMBERS, tokens)]) == pytest.approx(30 * tokens, rel=0.04)


@pytest.mark.parametrize("around", [0, 12, 70])
def test_what_a_template_puts_around_a_prompt_does_not_grow_with_it(around: int) -> None:
    known = [seen(NUMBERS * times, SPLIT * times + around) for times in (1, 2, 4)]
    assert estimate(features_of(NUMBERS * 30), known) == pytest.approx(30 * SPLIT + around, rel=0.05)


def test_the_model_of_another_role_tells_something_and_own_answers_more() -> None:
    asked = features_of(NUMBERS * 3)
    other, own = seen(NUMBERS, JOINED), seen(NUMBERS, SPLIT)
    assert estimate(asked, [], [other]) == pytest.approx(3 * JOINED, rel=0.04)
    both = estimate(asked, [own], [other])
    assert both is not None
    assert both > 3 * (0.75 * SPLIT + 0.25 * JOINED)


def test_without_a_count_nothing_is_known() -> None:
    assert counted(NUMBERS, None) is None
    assert estimate(features_of(NUMBERS), [], []) is None


@pytest.mark.parametrize("tokens", [0, 1, JOINED // 2, 3 * SPLIT])
def test_what_cannot_be_the_count_of_the_whole_prompt_is_none(tokens: int) -> None:
    assert not seen(NUMBERS, tokens).is_plausible
    assert estimate(features_of(NUMBERS), [seen(NUMBERS, tokens)]) is None
    known = [seen(NUMBERS, tokens), seen(NUMBERS, SPLIT), seen(NUMBERS, tokens)]
    assert estimate(features_of(NUMBERS), known) == pytest.approx(SPLIT, rel=0.02)


@pytest.mark.parametrize("share", [0.65, 0.75, 0.8])
@pytest.mark.parametrize("short", [1, 2])
def test_counts_without_what_was_cached_give_way_to_those_that_are_larger(share: float, short: int) -> None:
    """Alone, they could be those of a tokenizer that joins digits."""
    whole = [seen(NUMBERS * times, SPLIT * times) for times in (1, 2, 3)]
    parts = [seen(NUMBERS * times, int(share * SPLIT * times)) for times in (4, 5)][:short]
    assert all(each.is_plausible for each in parts)
    asked = features_of(NUMBERS * 6)
    assert estimate(asked, [*whole, *parts]) == pytest.approx(6 * SPLIT, rel=0.03)


@pytest.mark.parametrize("share", [1.3, 1.6, 1.9])
@pytest.mark.parametrize("tokens", [SPLIT, JOINED])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_count_that_is_too_high_does_not_displace_those_that_agree(share: float, tokens: int, place: int) -> None:
    """Such as that of a server that counted another prompt along."""
    right = [seen(NUMBERS * times, tokens * times) for times in (2, 3)]
    wrong = seen(NUMBERS, int(share * tokens))
    assert wrong.is_plausible
    known = [*right[:place], wrong, *right[place:]]
    assert estimate(features_of(NUMBERS * 6), known) == pytest.approx(6 * tokens, rel=0.04)


def test_the_same_answers_give_the_same_estimate() -> None:
    known = [seen(NUMBERS * times, SPLIT * times) for times in (1, 2, 3)]
    assert estimate(features_of(NUMBERS), known) == estimate(features_of(NUMBERS), list(known))


@given(st.lists(st.tuples(st.integers(1, 400), st.floats(0.05, 4)), min_size=1, max_size=8))
def test_any_counts_give_a_count(counts: list[tuple[int, float]]) -> None:
    known = [seen(NUMBERS[: 16 * lines] + "word " * lines, max(int(14 * lines * share), 1)) for lines, share in counts]
    found = estimate(features_of(NUMBERS + "word\n"), known)
    assert found is None or 0 < found < 100_000
