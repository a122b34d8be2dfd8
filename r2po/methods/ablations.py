"""The ablations of R2PO: less evidence for the critic, no critic, or no choice."""

from __future__ import annotations

from r2po.methods.method import Method, closest_to_mean, pair, style
from r2po.methods.step import Step, keep_best
from r2po.prompts import critic_only_prompt, critic_prompt, raw_rollout, search_prompt, three_rollouts
from r2po.trial import Candidate


def _propose_and_revise(step: Step) -> tuple[Candidate, Candidate]:
    """One ProPS search, and one revision that is grounded in the raw rollout closest to the mean."""
    proposal = step.evaluate(step.ask("search", search_prompt(step)), "proposal")
    critic = critic_prompt(step, proposal, evidence=raw_rollout, excerpts=True, no_repeats=True)
    return proposal, step.evaluate(step.ask("critic", critic), "revision")


def reptraj(step: Step) -> Candidate:
    """A proposal, then a revision from one raw rollout; the better one is kept."""
    return keep_best(*_propose_and_revise(step))


def always_critic(step: Step) -> Candidate:
    """RepTraj, but the revision is kept even where the proposal was better."""
    _, revision = _propose_and_revise(step)
    return revision


def three_traj(step: Step) -> Candidate:
    """A proposal, then a revision from worst, median and best rollout; the better one is kept."""
    search = search_prompt(step, lines="phases")
    proposal = step.evaluate(step.ask("search", search), "proposal")
    critic = critic_prompt(step, proposal, evidence=three_rollouts, lines="phases", no_repeats=True)
    return keep_best(proposal, step.evaluate(step.ask("critic", critic), "revision"))


def critic_only(step: Step) -> Candidate:
    """One critic-style call on history and last accepted rollout; always kept."""
    return step.evaluate(step.ask("critic", critic_only_prompt(step)), "proposal")


def pure_search(step: Step) -> Candidate:
    """Two samples of the same search prompt, both evaluated; the better one is kept."""
    prompt = search_prompt(step)
    first, second = step.ask("search", prompt), step.ask("search", prompt)
    return keep_best(step.evaluate(first, "proposal_a"), step.evaluate(second, "proposal_b"))


def actor_second_pass(step: Step) -> Candidate:
    """A proposal, then a second search that knows its result; the better one is kept."""
    first = step.evaluate(step.ask("search", search_prompt(step)), "first_pass")
    search = search_prompt(step, history=[*step.history, step.as_trial(first)])
    return keep_best(first, step.evaluate(step.ask("search", search), "second_pass"))


METHODS = (
    Method(
        "reptraj",
        "RepTraj",
        reptraj,
        roles=("search", "critic"),
        pair=pair("proposal", "revision", "critic"),
        style=style("#f58163", (4, 1.5), "v"),
        history_rollout=closest_to_mean,
        shows_excerpts=True,
        templates=("search.j2", "critic_raw_rollout.j2"),
    ),
    Method(
        "three_traj",
        "ThreeTraj",
        three_traj,
        roles=("search", "critic"),
        pair=pair("proposal", "revision", "critic"),
        style=style("#b0a4fe", (6, 1.5, 1, 1.5), "D"),
        templates=("search.j2", "critic_three_rollouts.j2"),
    ),
    Method(
        "always_critic",
        "AlwaysCritic",
        always_critic,
        roles=("search", "critic"),
        pair=pair("proposal", "revision", "critic"),
        style=style("#a28102", (4, 1.2, 1, 1.2, 1, 1.2), "P"),
        chooses_by_mean=False,
        history_rollout=closest_to_mean,
        shows_excerpts=True,
        templates=("search.j2", "critic_raw_rollout.j2"),
    ),
    Method(
        "critic_only",
        "CriticOnly",
        critic_only,
        roles=("critic",),
        style=style("#0170f7", (1.2, 1.2), "X"),
        history_rollout=closest_to_mean,
        shows_excerpts=True,
        templates=("critic_only.j2",),
    ),
    Method(
        "pure_search",
        "PureSearch",
        pure_search,
        pair=pair("proposal_a", "proposal_b", "search"),
        repeats_prompts=True,
        style=style("#9d1700", (6, 1.5, 1, 1.5), "<"),
        templates=("search.j2",),
        describes=False,
    ),
    Method(
        "actor_second_pass",
        "ActorSecondPass",
        actor_second_pass,
        pair=pair("first_pass", "second_pass", "search"),
        style=style("#874282", (2.5, 1), ">"),
        templates=("search.j2",),
        describes=False,
    ),
)
