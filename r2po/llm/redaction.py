"""Texts of servers without the secrets that they were sent, in whatever way they repeat them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote, unquote

from r2po.llm.failures import cut_short, printable

BLANKED = "[key]"
_MIN_SECRET_LENGTH = 4  # servers without keys are given dummies like "x"; blanking every x would garble the messages
_MIN_PART_LENGTH = 8
_MIN_SECRET_LENGTH_IN_REPLIES = 16  # a key is longer; a dummy may well be a word or number that a model uses
_LONGEST_TEXT = 100_000
_LONGEST_ESCAPE = 12

# One character, as it is or escaped: of JSON, of an address, of HTML.
_CHARACTER = re.compile(
    r"\\+u(?P<json>[0-9a-f]{4})|\\+x(?P<hex>[0-9a-f]{2})|%(?P<percent>[0-9a-f]{2})|\\+(?P<quoted>[!-~])"
    r"|(?P<html>&#?[0-9a-z]{1,8};)|(?P<plain>[!-~])",
    re.IGNORECASE,
)


def secrets_of(key: str, password: str, token: str) -> list[str]:
    """Return what a server could repeat of what it was sent to prove who asks, longest first."""
    forms = {key, quote(key, safe=""), password, unquote(password), token}
    return sorted((form for form in forms if len(form) >= _MIN_SECRET_LENGTH), key=len, reverse=True)


class Redaction:
    """Blanks some secrets."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._exact = secrets
        plain = {_plain(secret) for secret in secrets}
        self._plain = sorted((each for each in plain if len(each) >= _MIN_SECRET_LENGTH), key=len, reverse=True)
        self._longest = max(map(len, secrets), default=0)

    def reply(self, text: str) -> str:
        """Return a text that is recorded, with each secret blanked that is no word that a model may use."""
        return self.text(text, _MIN_SECRET_LENGTH_IN_REPLIES)

    def text(self, text: str, shortest: int) -> str:
        """Return a text with each secret blanked that has at least so many characters."""
        return _without([secret for secret in self._exact if len(secret) >= shortest], text)

    def message(self, text: str | bytes) -> str:
        """Return a text for people, as one short printable line without any secret or the greater part of one.

        Blanks, control characters and escapes inside a secret do not save it from being blanked.
        """
        head = text[:_LONGEST_TEXT]
        line = printable(head.decode("utf-8", "replace") if isinstance(head, bytes) else head)
        blanked = self._blanked(_without(self._exact, line)) if self._exact else line
        if len(head) < len(text):  # perhaps in the middle of a secret
            blanked = blanked[: max(len(blanked) - _LONGEST_ESCAPE * self._longest, 0)]
        return cut_short(blanked)

    def _blanked(self, line: str) -> str:
        characters = list(_characters(line))
        plain = "".join(character for character, _, _ in characters)
        for start, end in sorted(self._places(plain), reverse=True):
            line = line[: characters[start][1]] + BLANKED + line[characters[end - 1][2] :]
        return line

    def _places(self, plain: str) -> list[tuple[int, int]]:
        """Return where there are secrets, none overlapping another."""
        places: list[tuple[int, int]] = []
        for secret in self._plain:
            start = -1
            while (start := plain.find(_beginning(secret), start + 1)) >= 0:
                end = start + _shared(plain[start : start + len(secret)], secret)
                if not any(start < other_end and other_start < end for other_start, other_end in places):
                    places.append((start, end))
        return places


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, BLANKED)
    return text


def _beginning(secret: str) -> str:
    """Return the part of a secret that gives it away: more than half of it, and no common prefix."""
    return secret[: max(_MIN_PART_LENGTH, len(secret) // 2 + 1)]


def _shared(text: str, secret: str) -> int:
    return next((n for n, (one, other) in enumerate(zip(text, secret, strict=False)) if one != other), len(text))


def _plain(text: str) -> str:
    return "".join(character for character, _, _ in _characters(text))


def _characters(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield each visible ASCII character of a text, and where it stands, however it is escaped."""
    for match in _CHARACTER.finditer(text):
        character = _unescaped(match)
        if len(character) == 1 and "!" <= character <= "~":
            yield character, match.start(), match.end()


def _unescaped(match: re.Match[str]) -> str:
    code = match["json"] or match["hex"] or match["percent"]
    if code:
        return chr(int(code, 16))
    return html.unescape(match["html"]) if match["html"] else match["quoted"] or match["plain"]
