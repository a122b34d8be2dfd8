"""Where a prompt stops being the beginning of later ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from r2po.trial import Trial


class Marked(str):
    """A text that knows up to where later texts begin the same.

    Attributes:
        ends: Places in it, in characters and in ascending order. Later texts of its kind begin with what stands before
            the last of them; earlier ones ended theirs at the others.
    """

    ends: tuple[int, ...]

    def __new__(cls, text: str, ends: Iterable[int] = ()) -> Marked:
        """Return the text with its places."""
        marked = super().__new__(cls, text)
        marked.ends = tuple(ends)
        return marked


def ends_of(text: str) -> tuple[int, ...]:
    """Return the places that a text knows; none if it is any other text."""
    return text.ends if isinstance(text, Marked) else ()


def in_prompt(prompt: str, history: str) -> Marked:
    """Return a prompt that shows a history, with the places where lines of the history end.

    A template may show the history in its own way; then nothing is known of the prompt.
    """
    start = prompt.find(history) if history else -1
    if start < 0:
        return Marked(prompt)
    places = (start + end for end in ends_of(history))
    # With its line break, or at the very beginning: a line that goes on here may not go on later.
    whole = (place + (place != start) for place in places if place == start or prompt[place : place + 1] == "\n")
    return Marked(prompt, (place for place in whole if place))


def joined(entries: Sequence[str], trials: Sequence[Trial]) -> Marked:
    """Join the entries of a history to which trials are only added; an earlier one ended after any training trial.

    The warm-up trials were there before the first prompt.
    """
    ends, length = [], -1
    for number, entry in enumerate(entries, 1):
        length += 1 + len(entry)
        if number == len(trials) or not trials[number].warmup:
            ends.append(length)
    return Marked("\n".join(entries), ends)
