from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r2po.runlog.packing import PLAIN, fold, pack, pack_prompt, unfold, unpack, unpack_prompt

STEPS = "\n".join(f"[{i / 7:.3g}, {i}]->[{i % 3}]->[{(i + 1) / 7:.3g}, {i + 1}]" for i in range(300))
# Also half a surrogate pair and NUL: servers do send them.
texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\0\ud800->\n[1, ]")), max_size=200)


@given(text=texts, repeats=st.integers(1, 40))
def test_a_text_is_unpacked_as_it_was(text: str, repeats: int) -> None:
    assert unpack(pack(text * repeats)) == text * repeats


@given(text=st.text("->[1, 2]\n", max_size=60))
def test_folding_is_undone(text: str) -> None:
    assert unfold(fold(text)) == text


def test_states_are_written_once() -> None:
    assert fold("[1]->[0]->[2]\n[2]->[1]->[3] (end)\n[9]->[1]->[4]") == "[1]->[0]->[2]\n\0[1]->[3] (end)\n[9]->[1]->[4]"


def test_long_texts_become_shorter() -> None:
    packed = pack(STEPS)
    assert isinstance(packed, dict)
    assert len(packed["folded_bz2_b85"]) < len(STEPS) / 4
    assert pack("x" * PLAIN) == "x" * PLAIN


@given(before=texts, shared=st.integers(0, 200), rest=texts)
def test_a_prompt_is_unpacked_after_the_one_before(before: str, shared: int, rest: str) -> None:
    prompt = before[:shared] + rest
    packed = pack_prompt(prompt, before)
    assert packed["shared_chars"] >= len(before[:shared])
    assert unpack_prompt(packed, before) == prompt


def test_prompts_of_schema_1_are_read() -> None:
    rest = base64.b85encode(zlib.compress("ünd more".encode())).decode()
    assert unpack_prompt({"shared_chars": 3, "rest_zlib_b85": rest}, "abcdef") == "abcünd more"


@pytest.mark.parametrize("packed", [{"folded_bz2_b85": "0000"}, {"bz2_b85": "!"}, {"other": ""}, {"bz2_b85": " "}])
def test_damage_is_a_value_error(packed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"damaged|base85"):
        unpack(packed)
