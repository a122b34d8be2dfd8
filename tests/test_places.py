from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.cli.starting import place
from r2po.config.load import load_config
from r2po.errors import InputError
from r2po.places import expanded
from r2po.runlog.jsonl import dump

TEXT = """gym_env_name: Nim-v0
method: props
llm_model_name: embedded/search
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "a.yaml").write_text(TEXT + "logdir: logs\n")
    return tmp_path / "a.yaml"


def test_home_and_variables_are_filled_in(config: Path, tmp_path: Path) -> None:
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    found = {
        text: load_config(config, [f"logdir={text}"]).logdir
        for text in ("~/runs", "${SCRATCH}/runs", "$SCRATCH/a", "logs/~", "logs/a$", "a~b", "my $logs")
    }
    assert found == {
        "~/runs": f"{home}/runs",
        "${SCRATCH}/runs": f"{scratch}/runs",
        "$SCRATCH/a": f"{scratch}/a",
        "logs/~": "logs/~",
        "logs/a$": "logs/a$",
        "a~b": "a~b",
        "my $logs": "my $logs",
    }
    assert load_config(config, ["llm_model_name=replay/~/run_1"]).llm_model_name == f"replay/{home}/run_1"
    # What a shell has read may hold a dollar sign; the home directory it may have left to us.
    assert (place("~/runs"), place("a/$SCRATCH")) == (f"{home}/runs", "a/$SCRATCH")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("logdir=~nobody-here/x", "logdir is '~nobody-here/x'; there is no user 'nobody-here'"),
        ("logdir=$SCRATHC/x", "logdir is '$SCRATHC/x'; there is no environment variable 'SCRATHC' (did you mean"),
        ("logdir=a_${SCRATHC}", "there is no environment variable 'SCRATHC'"),
        (f"logdir=logs/{'a' * 260}", "File name too long"),
        (f"llm_model_name=replay/{'a' * 260}", "llm_model_name is 'aaa"),
        ('logdir="a\\0b"', "logdir is 'a\\x00b'; expected a text without '\\x00'"),
        ('logdir="a\\ud800"', "expected a text without '\\ud800'"),
        ('llm_model_name="embedded/\\udfff"', "llm_model_name is"),
        ('policy_settings={a: [{b: "\\ud800"}]}', "policy_settings.a.0.b is"),
        ('policy_settings={"\\ud800": 1}', "a key is"),
    ],
)
def test_what_can_be_no_path_is_one_line(override: str, said: str, config: Path) -> None:
    with pytest.raises(InputError) as refusal:
        load_config(config, [override])
    text = str(refusal.value)
    assert said in text
    assert len(text) < 400
    assert "\n" not in text


@pytest.mark.parametrize("text", ["~nobody-here", "a" * 260, "a\udc80"])
def test_so_it_is_in_an_option(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="the path is"):
        place(text)


def test_a_sweep_reads_paths_of_configs_as_a_run_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sweep", "a" * 260])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"the path is '{'a' * 77}...'; File name too long" in line


def test_what_is_left_can_be_written(config: Path) -> None:
    text = "\u0085 \U0001f600 é"
    assert dump({"logdir": expanded(text, "it")})
    assert load_config(config, [f'policy_settings={{a: "{text[2:]}"}}']).policy_settings == {"a": text[2:]}
