"""Writes small logs in the format of the published code, so that what is expected of them is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HEADER = "Iteration, CPU Time, API Time, Total Episodes, Total Steps, Total Reward"
K = 3
"""Rollouts of a candidate."""

SUFFIXES = {
    "props": "props",
    "propsp": "propsp",
    "r2po": "reflective_prompted_policy_optimization",
    "reptraj": "reflective",
    "three_traj": "three_traj",
    "always_critic": "always_critic",
    "critic_only": "critic_only",
    "pure_search": "pure_search",
    "actor_second_pass": "actor_second_pass",
}
"""End of a folder's name, by method."""

_REVISED = ("initial_proposal_rollout.txt", "revised_proposal_rollout.txt")
_SELECTED = ("proposal_a_rollout.txt", "proposal_b_rollout.txt")
_OUTCOME = "initial_reward={:.4f}\nrevised_reward={:.4f}\nwinner={}\nmedian_traj_rollout_idx=1\n"
_SELECTION = "proposal_a_reward={:.4f}\nproposal_b_reward={:.4f}\nwinner={}\nproposal_a_repr_idx=0\n"


def folder_name(environment: str, method: str) -> str:
    """Return the name that the published code gives a log directory."""
    return f"{environment}_{SUFFIXES[method]}"


def write_published_run(logdir: Path, number: int, rewards: Sequence[float], *, method: str = "props") -> Path:
    """Write a run whose accepted candidates have the given rewards; returns its folder.

    Iteration i, from 1, ends at ``10 + K * i`` episodes and ``100 * i`` steps, and waits 2 s for the model. Of two
    candidates the accepted one is the second; the first one's reward is lower by 1.
    """
    run = logdir / f"run_{number}"
    run.mkdir(parents=True)
    rows = [f"{i}, {0.5 * i}, {2.0 * i}, {10 + K * i}, {100 * i}, {reward}" for i, reward in enumerate(rewards, 1)]
    (run / "overall_log.txt").write_text("".join(f"{row}\n" for row in [HEADER, *rows]))
    (run / "warmup").mkdir()
    for i, reward in enumerate(rewards):
        write_episode(run / f"episode_{i}", reward, method)
    return run


def write_two_methods(root: Path) -> Path:
    """Write two runs of ProPS and two of R2PO, on Nim and on CartPole each; returns their folder."""
    for environment in ("nim", "cartpole"):
        for method in ("props", "r2po"):
            for number, rewards in enumerate(([1.0, 2.0, 5.0], [3.0, 4.0, 9.0]), 1):
                write_published_run(root / folder_name(environment, method), number, rewards, method=method)
    return root


def write_episode(episode: Path, reward: float, method: str, *, tabular: bool = False) -> None:
    """Write what was tried in an iteration, with ``first_params`` and, of two candidates, ``second_params``."""
    episode.mkdir()
    if method in ("props", "propsp", "critic_only"):
        candidates = [(reward, first_params(tabular), "training_rollout.txt")]
        if method == "critic_only":
            (episode / "critic_only_outcome.txt").write_text(f"reward={reward:.4f}\nrepr_traj_rollout_idx=0\n")
        reasoning = f"system:\na prompt\n\nLLM:\n{reply(first_params(tabular))}"
    else:
        selected = method in ("pure_search", "actor_second_pass")
        files = _SELECTED if selected else _REVISED
        outcome, winner = (_SELECTION, "proposal_b") if selected else (_OUTCOME, "revision_won")
        winner = "revision_forced" if method == "always_critic" else winner
        name = "selection_outcome.txt" if selected else "reflection_outcome.txt"
        (episode / name).write_text(outcome.format(reward - 1, reward, winner))
        candidates = [
            (reward - 1, first_params(tabular), files[0]),
            (reward, second_params(tabular), files[1]),
        ]
        reasoning = _two_turns(selected, tabular, winner)
    for value, params, file in candidates:
        (episode / file).write_text(rollouts(value, None if tabular else params))
    (episode / "parameters.txt").write_text(written(candidates[-1][1], tabular=tabular))
    (episode / "parameters_reasoning.txt").write_text(reasoning)


def first_params(tabular: bool) -> list[float]:
    """Return the parameters of the first candidate."""
    return [0, 2, 1] if tabular else [0.0, 1.5, -2.0]


def second_params(tabular: bool) -> list[float]:
    """Return the parameters of the second candidate."""
    return [1, 2, 1] if tabular else [1.0, 1.5, -2.0]


def rollouts(reward: float, params: Sequence[float] | None) -> str:
    """Return a file of K rollouts with returns around ``reward``."""
    head = "" if params is None else f"{', '.join(map(str, params))}\nparameter ends\n\n"
    texts = [
        f"{head}state | action | reward\n[0.03] | 1 | 1.0\n[0.02] | 0 | 1.0\nTotal reward: {value}\n"
        for value in (reward - 1, reward, reward + 1)
    ]
    return "".join(texts)


def written(params: Sequence[float], *, tabular: bool) -> str:
    """Return a ``parameters.txt``."""
    if tabular:
        entries = ", ".join(f"{state}: np.float64({action}.0)" for state, action in enumerate(params))
        return f"{{{entries}}}"
    return f"Weights:\n{params[0]}, {params[1]}\nBias:\n{params[2]}"


def reply(params: Sequence[float]) -> str:
    """Return a reply that sets the parameters."""
    return f"{', '.join(f'params[{i}]: {value}' for i, value in enumerate(params))}\nThat is all."


def _two_turns(selected: bool, tabular: bool, winner: str) -> str:
    first, second = reply(first_params(tabular)), reply(second_params(tabular))
    if selected:
        heads = ("--- Proposal A ---\nsystem:\na prompt\n\nLLM:\n", "--- Proposal B ---\nsystem:\na prompt\n\nLLM:\n")
    else:
        heads = (
            "--- Search-LLM (Proposal) ---\nsystem:\na prompt\n\nLLM:\n",
            "--- Critic-LLM (Reflection) ---\nCritic-LLM (Reflection) prompt:\nlook at params[0]: 9\n\n"
            "Critic-LLM response:\n",
        )
    return f"Winner: {winner}\nInitial reward: 1\n\n{heads[0]}{first}\n\n\n{heads[1]}{second}"
