"""Characters that control a screen or turn the direction of writing, as a page shows them.

``page/dom.js`` does the same. On a terminal they are written as escapes; a page shows prompts, in which an escape
would pass for one that the prompt has.
"""

from __future__ import annotations

from r2po.terminal import TURNS

_PICTURES = 0x2400
_DELETE = 0x2421
_CONTROLS = [code for code in range(0x20) if chr(code) not in "\t\n"]
_UNSEEN = (0x200B, 0x2028, 0x2029, 0x2060, 0xFEFF)

_SHOWN = {
    **{code: chr(_PICTURES + code) for code in _CONTROLS},
    0x7F: chr(_DELETE),
    **{
        code: f"\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}U+{code:04X}\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}"
        for code in (*range(0x80, 0xA0), *TURNS, *_UNSEEN)
    },
}


def shown(text: str) -> str:
    """Return a text in which control characters are pictures, and marks that turn its direction are codes."""
    return text.translate(_SHOWN)
