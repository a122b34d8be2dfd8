"""How many tokens a prompt has: a few counts of what it holds, and weights that are fitted to what servers counted.

Tokenizers differ most in digits. Some give every digit a token, others one to a group of up to three; a blank before a
number, a sign and a point are tokens of their own in almost all. Words cost about a token each. So what a prompt holds
is counted by kind, and the tokens are a weighted sum. How a tokenizer weighs the kinds is roughly known beforehand;
what the server counted of the first prompts tells the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Features = tuple[int, ...]
"""What a prompt holds, in the order of ``KINDS``."""
_Floats = NDArray[np.float64]


class Kind(NamedTuple):
    """A kind of thing that a prompt holds, and how many tokens each of them may take.

    Attributes:
        name: What is counted.
        usual: Tokens with a tokenizer of which nothing is known.
        spread: How far a tokenizer may be from that.
        least: Tokens with the most frugal tokenizers.
        most: Tokens with those that split most.
        bound: No tokenizer takes more; infinite for what surrounds the prompt.
    """

    name: str
    usual: float
    spread: float
    least: float
    most: float
    bound: float


KINDS = (
    Kind("prompts", 10.0, 25.0, 0.0, 30.0, math.inf),  # what the chat template puts around each
    Kind("groups of up to three digits", 1.0, 0.015, 1.0, 1.0, 1.5),
    Kind("further digits of a group", 0.5, 0.5, 0.0, 1.0, 1.0),
    Kind("blanks before a digit", 1.0, 0.015, 0.9, 1.0, 1.5),
    Kind("longer blanks before anything else", 0.8, 0.4, 0.0, 1.0, 2.0),
    Kind("words", 1.05, 0.04, 1.0, 1.3, 2.0),
    Kind("letters of a word after the seventh", 0.02, 0.02, 0.0, 0.35, 0.5),
    Kind("groups of marks", 0.98, 0.02, 0.9, 1.0, 1.5),
    Kind("groups of marks before a letter", 0.5, 0.4, 0.0, 1.0, 1.0),
    Kind("further marks of a group", 0.07, 0.05, 0.0, 0.1, 1.0),
    Kind("line breaks after a mark", 0.55, 0.4, 0.0, 1.0, 1.0),
    Kind("other line breaks", 0.97, 0.05, 0.6, 1.0, 1.5),
    Kind("words that begin a line, besides", 0.4, 0.4, 0.0, 1.0, 1.5),
    Kind("bytes outside ASCII", 0.5, 0.3, 0.3, 1.0, 3.0),
)
"""Measured with o200k_base and with SmolLM2's tokenizer, on prompts of all methods in both styles."""

_OVERALL = 0.02  # how far all weights of a tokenizer may be off together
_NOISE = 0.01  # how far a count may be from the weighted sum
_NOISE_OF_OTHERS = 0.03  # likewise for another role's prompts: they hold other words
_LATEST = 100  # more answers of a role tell nothing new
_FEW = 0.8  # of the fewest tokens that a prompt can have
_MANY = 2.0  # times the most
_AMONG_OTHERS = 0.85  # of what the other counts lead to expect
_ALIKE = 0.95  # how near counts come to each other that are right
_SOME = 3  # counts, of which two can tell that the third is wrong
_LONG_GROUP, _LONG_WORD = 3, 7
_LETTER, _DIGIT, _BLANK, _BREAK, _MARK, _OTHER = range(6)
_NOTHING = 6


def _classes() -> NDArray[np.uint8]:
    classes = np.full(256, _MARK, np.uint8)
    for characters, kind in (("0123456789", _DIGIT), (" \t", _BLANK), ("\n\r", _BREAK)):
        classes[[ord(character) for character in characters]] = kind
    classes[[*range(ord("A"), ord("Z") + 1), *range(ord("a"), ord("z") + 1)]] = _LETTER
    classes[128:] = _OTHER
    return classes


_CLASSES = _classes()


@lru_cache(maxsize=8)  # each prompt is looked at several times: against the context, against the caps, when counted
def features_of(prompt: str) -> Features:
    """Return how many there are of each of ``KINDS`` in a prompt."""
    characters = _CLASSES[np.frombuffer(prompt.encode("utf-8", "replace"), np.uint8)]
    if not characters.size:
        return (1, *[0] * (len(KINDS) - 1))
    starts = np.flatnonzero(np.diff(characters, prepend=_NOTHING))
    lengths = np.diff(starts, append=characters.size)
    kinds = characters[starts]
    after, before = np.append(kinds[1:], _NOTHING), np.append(_NOTHING, kinds[:-1])
    digits, words, marks = lengths[kinds == _DIGIT], lengths[kinds == _LETTER], kinds == _MARK
    groups = ((digits + _LONG_GROUP - 1) // _LONG_GROUP).sum()
    counts = (
        1,
        groups,
        digits.sum() - groups,
        ((kinds == _BLANK) & (after == _DIGIT)).sum(),
        ((kinds == _BLANK) & (after != _DIGIT) & (lengths > 1)).sum(),
        words.size,
        np.maximum(words - _LONG_WORD, 0).sum(),
        (marks & (after != _LETTER)).sum(),
        (marks & (after == _LETTER)).sum(),
        lengths[marks].sum() - marks.sum(),
        ((kinds == _BREAK) & (before == _MARK)).sum(),
        ((kinds == _BREAK) & (before != _MARK)).sum(),
        ((kinds == _LETTER) & (before == _BREAK)).sum(),
        lengths[kinds == _OTHER].sum(),
    )
    return tuple(map(int, counts))


def token_range(features: Features) -> tuple[int, int]:
    """Return the fewest and the most tokens that a prompt has with common tokenizers."""
    return math.ceil(float(_LEAST @ np.array(features))), math.ceil(float(_MOST @ np.array(features)))


def usual_tokens(features: Sequence[float]) -> float:
    """Return the tokens of one or several prompts, summed, with a tokenizer of which nothing is known."""
    return float(_USUAL @ np.array(features, np.float64))


@dataclass(frozen=True)
class Counted:
    """A prompt that a server has counted: what it holds, and the server's count."""

    features: Features
    tokens: int

    @property
    def is_plausible(self) -> bool:
        """Whether it can be the count of the whole prompt, and not of what the server had not in its cache."""
        fewest, most = token_range(self.features)
        return self.tokens > 0 and _FEW * fewest <= self.tokens <= _MANY * most


def counted(prompt: str, tokens: int | None) -> Counted | None:
    """Return what a server counted of a prompt; None if it did not say."""
    return None if tokens is None else Counted(features_of(prompt), tokens)


def estimate(features: Features, own: Sequence[Counted], others: Sequence[Counted] = ()) -> int | None:
    """Return about how many tokens a prompt has; None if no count tells anything.

    Args:
        features: What the prompt holds.
        own: What the server counted of earlier prompts of the same role, in their order.
        others: Likewise of other roles that ask the same model. They weigh less.
    """
    known = [(each, _NOISE) for each in _latest(own)] + [(each, _NOISE_OF_OTHERS) for each in _latest(others)]
    if not known:
        return None
    held = np.array([each.features for each, _ in known], np.float64)
    counts = np.array([each.tokens for each, _ in known], np.float64)
    weights = _robust(held, counts, np.array([noise for _, noise in known]))
    return max(math.ceil(float(weights @ np.array(features))), 1)


def _latest(counts: Sequence[Counted]) -> list[Counted]:
    return list(islice((each for each in reversed(counts) if each.is_plausible), _LATEST))


def _robust(held: _Floats, counts: _Floats, noise: _Floats) -> _Floats:
    """Fit the weights, without the counts that are much too small beside the others.

    A server may leave out what it has in its cache; it hardly ever counts more than there is. So a large count is
    believed rather than small ones, unless it stands alone and those of its role agree with each other.
    """
    while True:
        weights = _fit(held / counts[:, None], noise)
        shares = counts / (held @ weights)
        top = int(shares.argmax())
        good = np.arange(shares.size) != top
        if not _is_alone(top, held, counts, noise):
            good = shares >= _AMONG_OTHERS * shares[top]
        if good.all():
            return weights
        held, counts, noise = held[good], counts[good], noise[good]


def _is_alone(top: int, held: _Floats, counts: _Floats, noise: _Floats) -> bool:
    """Whether a count is far above what the others lead to expect, of which the largest two of its role are alike."""
    others = np.arange(counts.size) != top
    own = others & (noise == noise[top])
    if own.sum() < _SOME - 1:
        return False
    shares = counts / (held @ _fit(held[others] / counts[others, None], noise[others]))
    second, first = np.sort(shares[own])[-2:]
    return bool(first < _AMONG_OTHERS * shares[top] and second >= _ALIKE * first)


def _fit(shares: _Floats, noise: _Floats) -> _Floats:
    """Return the weights that are near the usual ones and add up to the counts.

    This is a ridge regression of relative errors towards ``KINDS`` with bounds: what would leave its bounds is put
    there, and the rest fitted again. (SciPy's solver would take a second to import.)
    """
    scaled = shares / noise[:, None]
    square = scaled.T @ scaled + _PRECISION
    target = scaled.T @ (1.0 / noise) + _PRECISION @ _USUAL
    weights = np.zeros_like(_USUAL)
    free = np.ones(len(KINDS), bool)
    while free.any():
        rest = target[free] - square[np.ix_(free, ~free)] @ weights[~free]
        weights[free] = np.linalg.solve(square[np.ix_(free, free)], rest)
        inside = np.clip(weights, 0.0, _BOUND)
        outside = inside != weights
        weights = inside
        if not outside.any():
            break
        free &= ~outside
    return weights


def _column(name: str) -> _Floats:
    return np.array([getattr(kind, name) for kind in KINDS])


_USUAL, _LEAST, _MOST, _BOUND = map(_column, ("usual", "least", "most", "bound"))


def _precision() -> _Floats:
    together = _OVERALL * np.where(np.isfinite(_BOUND), _USUAL, 0.0)
    return np.linalg.inv(np.diag(_column("spread") ** 2) + np.outer(together, together))


_PRECISION = _precision()
