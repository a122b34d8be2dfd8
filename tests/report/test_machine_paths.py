from __future__ import annotations

import pytest

from r2po.report.machine_paths import last_part, without_paths


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/srv/alice/x", "…/x"),
        ("/srv/alice/my logs/x y/", "…/x y"),
        ("/srv/al\nice/x", "…/x"),
        ("~/logs/x", "…/x"),
        ("./srv/alice", "…/alice"),
        ("../../srv/alice/x", "…/x"),
        ("file:///srv/alice/x", "…/x"),
        ("C:/Home/alice/logs", "…/logs"),
        (r"C:\Home\alice\my logs\x", "…/x"),
        (r"\\server\share\alice", "…/alice"),
        ("x=/srv/alice/y", "x=…/y"),
        ("plugin: /srv/alice/a.py, /srv/alice/b.py", "plugin: …/a.py, …/b.py"),
        ("qwen/qwen3-8b", "qwen/qwen3-8b"),
        ("hf.co/org/model:Q4_K_M", "hf.co/org/model:Q4_K_M"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("CartPole-v1", "CartPole-v1"),
        ("0.5", "0.5"),
    ],
)
def test_of_a_setting_that_is_a_path_the_last_part_is_shown(value: str, shown: str) -> None:
    assert last_part(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[Errno 2] No such file: '/srv/alice/a b.yaml'", "[Errno 2] No such file: '…/a b.yaml'"),
        ("no '/srv/alice b/my logs/x' and no \"~/c d/y\"", "no '…/x' and no \"…/y\""),
        ('File "/usr/lib/python3/x.py", line 3', 'File "…/x.py", line 3'),
        (r"cannot open C:\Home\alice\mesh.stl", "cannot open …/mesh.stl"),
        ("see https://gymnasium.farama.org/environments/box2d/ and/or ask", None),
        ("1/2 of the steps, 3 / 4, a -> b", None),
        ("damaged log: llm_calls.jsonl, line 4", None),
        ("a/run_3 is left out", None),
    ],
)
def test_paths_in_a_line_lose_their_places(text: str, shown: str | None) -> None:
    assert without_paths(text) == (text if shown is None else shown)
