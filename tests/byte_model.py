"""A language model of 53 KB with random weights: a llama of one layer, whose tokens are the 256 bytes and three marks.

Without a grammar it writes nonsense, and under one legal nonsense; so llama.cpp can be tested for real in milliseconds.
Its first dimension is the same for all tokens and carries a bias: quotes, digits and brackets are likelier than others,
so that replies under a schema come to an end.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray

CONTEXT = 65_536
BOS, EOS, PAD = 256, 257, 258
TOKENS = 259
WIDTH = 32
BIASES = {'"': 1.2, ".": 0.8, ",": 0.8, "-": 0.5, "}": 0.8, "]": 0.5, **dict.fromkeys("0123456789", 0.6)}
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_byte_model(path: Path) -> Path:
    """Write the model as a GGUF."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("bytes")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(WIDTH)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH)
    writer.add_vocab_size(TOKENS)
    _add_tokenizer(writer)
    for name, values in _tensors(np.random.default_rng(0)).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: gguf.GGUFWriter) -> None:
    characters = _characters_of_bytes()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([*characters, "<|im_start|>", "<|im_end|>", "<|pad|>"])
    writer.add_token_types([gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * 3)
    writer.add_token_merges([f"{characters[32]} {characters[32]}"])  # the format wants one; its result is no token
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_eot_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def _characters_of_bytes() -> list[str]:
    """Return the printable character that stands for each byte in vocabularies of GPT-2's kind."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def _tensors(rng: np.random.Generator) -> dict[str, NDArray[np.float16] | NDArray[np.float32]]:
    def normal(rows: int, scale: float) -> NDArray[np.float16]:
        return (rng.standard_normal((rows, WIDTH)) * scale).astype(np.float16)

    embedding, output = normal(TOKENS, 0.5), normal(TOKENS, 0.4)
    embedding[:, 0] = 6
    output[:, 0] = 0
    for character, bias in BIASES.items():
        output[ord(character), 0] = bias
    output[EOS, 0] = 0.9
    output[127:256, 0] = -6  # no half characters
    output[:32, 0] = -3
    output[[9, 10, 13, 32], 0] = -1
    ones = np.ones(WIDTH, np.float32)
    block = {f"attn_{part}": normal(WIDTH, 0.2) for part in ("q", "k", "v", "output")}
    block |= {f"ffn_{part}": normal(WIDTH, 0.2) for part in ("gate", "up", "down")}
    return {
        "token_embd.weight": embedding,
        "output.weight": output,
        "output_norm.weight": ones,
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        **{f"blk.0.{name}.weight": values for name, values in block.items()},
    }
