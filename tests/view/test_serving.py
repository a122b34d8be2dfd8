"""The command as a user starts it: its address, its end, and what it refuses."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from r2po.cli import main
from r2po.view.app import MOST_COMPARED
from tests.analysis.made_logs import write_run
from tests.process.processes import PATIENCE_S, environ
from tests.view.asked import TOKEN, serving

ADDRESS = re.compile(r"^http://127\.0\.0\.1:(\d+)/\?token=([\w-]{32})$", re.MULTILINE)


@contextmanager
def started(
    *arguments: str, command: Sequence[str] = (sys.executable, "-m", "r2po", "view")
) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Start the command; gives its process, what it printed first and its port."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([*command, *arguments], env=environ(), **pipes) as process:  # type: ignore[call-overload]
        try:
            printed = "".join(process.stdout.readline() for _ in range(3))
            found = ADDRESS.search(printed)
            assert found is not None, printed + process.stderr.read()
            yield process, printed, int(found[1])
        finally:
            process.kill()


def asked(port: int, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_it_serves_until_a_signal_and_says_nothing_more(number: signal.Signals, code: int, tmp_path: Path) -> None:
    write_run(tmp_path / "exp", 1, [1.0, 2.0])
    with started(str(tmp_path)) as (process, printed, port):
        token = ADDRESS.findall(printed)[0][1]
        assert asked(port, "/") == (403, "refused: open the address that the server printed: it ends in a token\n")
        status, page = asked(port, f"/?token={token}")
        assert (status, token in page) == (200, False)
        with socket.create_connection(("127.0.0.1", port)):  # a browser keeps connections open
            process.send_signal(number)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (code, "", "")


STUCK = """
import sys, threading
from r2po.cli import main
from r2po.view.index import Index

def changes(*_):
    print("stuck", flush=True)
    threading.Event().wait()

Index.changes = changes
sys.exit(main(["view", sys.argv[1]]))
"""


@pytest.mark.parametrize("signals", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_ends_though_a_thread_waits_for_ever(signals: int, tmp_path: Path) -> None:
    """As for a drive that does not answer."""
    write_run(tmp_path / "exp", 1, [1.0])
    with started(str(tmp_path), command=(sys.executable, "-c", STUCK)) as (process, printed, port):
        token = ADDRESS.findall(printed)[0][1]
        with socket.create_connection(("127.0.0.1", port)) as connection:
            request = f"GET /api/changes HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: r2po-view-{port}={token}\r\n\r\n"
            connection.sendall(request.encode())
            assert process.stdout is not None
            assert process.stdout.readline() == "stuck\n"
            for _ in range(signals):
                process.send_signal(signal.SIGINT)
                time.sleep(0.3)
            out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (130, "", "")


def test_a_long_address_may_arrive_in_pieces(tmp_path: Path) -> None:
    write_run(tmp_path / "exp", 1, [1.0])
    names = ",".join(f"r{number:016x}" for number in range(MOST_COMPARED))
    with serving(tmp_path) as address:
        port = int(address.split(":")[2].split("/")[0])
        head = f"Host: 127.0.0.1:{port}\r\nCookie: r2po-view-{port}={TOKEN}\r\nConnection: close\r\n\r\n"
        request = f"GET /api/compare?runs={names} HTTP/1.1\r\n{head}".encode()
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            for at in (0, 1):
                connection.sendall(request[at * 30_000 :][: 30_000 if not at else None])
                time.sleep(0.2)  # so that the server reads it in two pieces
            answer = connection.makefile("rb").read().decode()
    assert answer.startswith("HTTP/1.1 404 ")
    assert "none of these runs can be read" in answer


def test_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with started(str(tmp_path)) as (process, _, port):
        listening = [
            line.split()[1]
            for table in ("tcp", "tcp6")
            for line in Path(f"/proc/{process.pid}/net/{table}").read_text().splitlines()[1:]
            if int(line.split()[1].split(":")[1], 16) == port and line.split()[3] == "0A"
        ]
        assert listening == [f"0100007F:{port:04X}"]


def test_a_port_in_use_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["view", str(tmp_path), "--port", str(port)]) == 2
    printed = capsys.readouterr()
    words = "choose another --port, or none for a free one"
    assert (printed.out, printed.err) == ("", f"error: port {port} is in use on this machine; {words}\n")


@pytest.mark.parametrize("port", ["-1", "65536", "x", "80.5", ""])
def test_a_port_is_a_number(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["view", "logs", f"--port={port}"])
    assert ended.value.code == 2
    assert "argument --port" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["nothing", "exp/run_1", "exp/run_1/run.yaml"])
def test_a_folder_of_logs_is_wanted(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "exp", 1, [1.0])
    assert main(["view", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "expected a folder of logs" in error
    assert error.count("\n") == 1


def test_the_libraries_of_the_server_are_loaded_by_it_alone() -> None:
    code = "import sys; import r2po.cli.view, r2po.report.frame; print(sys.modules.keys() & {'starlette', 'uvicorn'})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ(), check=True)
    assert done.stdout == "set()\n"
