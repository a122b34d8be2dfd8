"""The learning curve as a picture that needs no scripts: for previews of mails, and for sites that strip scripts."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from r2po.analysis.lineage.words import brief
from r2po.report.packing import Values, is_finite

_WIDTH, _HEIGHT = 900, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 16, 16, 30


def static_curve(core: Values) -> Markup:
    """Return the best reward so far as a line, and each candidate as a dot, as SVG; empty if there is nothing."""
    tried = [(each["i"], each["reward"]) for each in core["candidates"] if is_finite(each.get("reward"))]
    best = [(each["n"], each["best"]) for each in core["iterations"] if is_finite(each.get("best"))]
    if not tried or not best:
        return Markup("")
    numbers = [n for n, _ in tried]
    rewards = [reward for _, reward in tried]
    low, high = min(rewards), max(rewards)
    across = (min(numbers), max(numbers))

    def place(n: float, reward: float) -> str:
        x = _LEFT + _share(n, *across) * (_WIDTH - _LEFT - _RIGHT)
        y = _HEIGHT - _BOTTOM - _share(reward, low, high) * (_HEIGHT - _TOP - _BOTTOM)
        return f"{x:.1f},{y:.1f}"

    dots = "".join(_dot(place(*each)) for each in tried)
    return Markup(  # noqa: S704 - numbers only
        f'<svg role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="100%" font-size="13" fill="currentColor">'
        f"<title>Best mean return so far over {len(core['iterations'])} iterations, and all candidates</title>"
        f'<g opacity="0.45">{dots}</g>'
        f'<polyline fill="none" stroke="#1a7f4b" stroke-width="2.5" points="{_stairs(best, place)}"/>'
        f'<text x="{_LEFT - 8}" y="{_TOP + 8}" text-anchor="end">{brief(high)}</text>'
        f'<text x="{_LEFT - 8}" y="{_HEIGHT - _BOTTOM}" text-anchor="end">{brief(low)}</text>'
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">iteration {across[0]}</text>'
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{across[1]}</text></svg>'
    )


def _stairs(best: Sequence[tuple[int, float]], place: object) -> str:
    assert callable(place)
    points: list[str] = []
    for at, (n, reward) in enumerate(best):
        if at:
            points.append(place(n, best[at - 1][1]))
        points.append(place(n, reward))
    return " ".join(points)


def _dot(place: str) -> str:
    x, y = place.split(",")
    return f'<circle cx="{x}" cy="{y}" r="2.4"/>'


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
