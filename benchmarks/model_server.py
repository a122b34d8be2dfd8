"""A model server to measure with: Ollama's protocol, a fixed latency, any number of connections, a hidden rate limit.

    python -m benchmarks.model_server [--latency 2] [--per-second N | --per-minute N] [--retry-after]

Prints its address, and serves until its standard input ends. It answers with random parameters, as a function of the
prompt. ``GET /stats`` tells how many calls it answered and refused, and the seconds from the first to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import re
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Limit:
    """At most ``count`` calls within any ``window_s`` seconds: a window that slides, as many providers have.

    Attributes:
        count: Largest number of calls; None for no limit.
        window_s: Length of the window.
        accepted: Times of the accepted calls within it.
    """

    count: int | None = None
    window_s: float = 1.0
    accepted: deque[float] = field(default_factory=deque)

    def take(self, now: float) -> float | None:
        """Accept a call and return None, or return the seconds until one would be accepted."""
        if self.count is None:
            return None
        while self.accepted and self.accepted[0] <= now - self.window_s:
            self.accepted.popleft()
        if len(self.accepted) >= self.count:
            return self.accepted[0] + self.window_s - now
        self.accepted.append(now)
        return None


@dataclass
class ModelServer:
    """The server.

    Attributes:
        latency_s: Time from a call to its answer.
        limit: The hidden limit.
        tells: Whether a refusal says how long to wait.
    """

    latency_s: float
    limit: Limit
    tells: bool = False
    answered_at: list[float] = field(default_factory=list)
    refused: int = 0
    in_flight: int = 0
    most_in_flight: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                method, path, _ = head.split(b" ", 2)
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                status, headers, answer = await self._answer(f"{method.decode()} {path.decode()}", body)
                data = json.dumps(answer).encode()
                writer.write(
                    f"HTTP/1.1 {status} -\r\n{headers}Content-Type: application/json\r\n"
                    f"Content-Length: {len(data)}\r\n\r\n".encode()
                    + data
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        finally:
            writer.close()

    async def _answer(self, request: str, body: bytes) -> tuple[int, str, dict[str, Any]]:
        if request == "POST /api/chat":
            return await self._chat(json.loads(body)["messages"][-1]["content"])
        if request == "GET /api/tags":
            return 200, "", {"models": [{"name": "tiny:latest"}]}
        if request == "GET /stats":
            times = self.answered_at
            return (
                200,
                "",
                {
                    "answered": len(times),
                    "refused": self.refused,
                    "most_in_flight": self.most_in_flight,
                    "answered_at": times,
                    "now": time.monotonic(),
                },
            )
        return 404, "", {"error": "nothing here"}

    async def _chat(self, prompt: str) -> tuple[int, str, dict[str, Any]]:
        wait_s = self.limit.take(time.monotonic())
        if wait_s is not None:
            self.refused += 1
            header = f"Retry-After: {wait_s:.3f}\r\n" if self.tells else ""
            return 429, header, {"error": "too many requests"}
        self.in_flight += 1
        self.most_in_flight = max(self.in_flight, self.most_in_flight)
        try:
            await asyncio.sleep(self.latency_s)
        finally:
            self.in_flight -= 1
        self.answered_at.append(time.monotonic())
        text = reply(prompt)
        return (
            200,
            "",
            {
                "message": {"role": "assistant", "content": text},
                "done_reason": "stop",
                "prompt_eval_count": len(prompt) // 4,
                "eval_count": len(text) // 4,
            },
        )


def reply(prompt: str) -> str:
    """Return random parameters that the prompt allows: always the same ones for the same prompt."""
    size = re.search(r"holds all (\d+) parameters", prompt)
    choices = re.search(r"(?:one of the integers|Legal actions of every entry:) ([\d, ]+)\.", prompt)
    if size is None:
        return "What do you want?"
    rng = random.Random(hashlib.sha256(prompt.encode()).digest())  # noqa: S311 - no secrets
    values = choices[1].split(", ") if choices else [f"{tenths / 10:.1f}" for tenths in range(-20, 21)]
    return ", ".join(f"params[{index}]: {rng.choice(values)}" for index in range(int(size[1])))


async def _main(options: argparse.Namespace) -> None:
    count, window_s = (options.per_minute, 60.0) if options.per_minute else (options.per_second, 1.0)
    model = ModelServer(options.latency, Limit(count, window_s), tells=options.retry_after)
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0, limit=2**24, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A model server to measure with.")
    parser.add_argument("--latency", type=float, default=2.0)
    parser.add_argument("--per-second", type=int)
    parser.add_argument("--per-minute", type=int)
    parser.add_argument("--retry-after", action="store_true")
    asyncio.run(_main(parser.parse_args()))
