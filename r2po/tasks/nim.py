"""Nim: take sticks in turn, and leave the last one to the opponent."""

from __future__ import annotations

from r2po.tasks.task import Task

TASK = Task(
    name="nim",
    label="Nim",
    gym_id="Nim-v0",
    policy="tabular",
    max_traj_length=1000,
    optimum=1.0,
    random_reward=-0.93,
    warmup_episodes=0,
    conservative_threshold=0.95,
    search_step_size=None,
    summary=(
        "A game of Nim: 10 sticks lie on the table, and you and your opponent take 1, 2 or 3 of them in turn, you "
        "first. Whoever takes the last stick loses. The opponent is strong: wherever it has a winning move it makes "
        "it, and otherwise it takes a random legal number."
    ),
    observation=(
        "The number of sticks left when it is your turn, at most 10. State 0 never asks for a move: the game is over."
    ),
    actions=("take 1 stick", "take 2 sticks", "take 3 sticks"),
    reward=(
        "+1 if the opponent takes the last stick; -1 if you take it, or if you try to take more sticks than are left; "
        "0 for every other move."
    ),
    ending="The game ends when the last stick is taken, or at once with an illegal move.",
)
