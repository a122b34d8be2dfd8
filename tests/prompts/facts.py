"""The published facts: how each shows in a prompt, and which prompt has which.

Known answers come from the description of the published prompts, not from the templates. A pattern is a regular
expression; ``<X>`` and the like stand for the numbers of the case. A prompt must show each of its facts, none of any
other prompt, and have no sentence that shows none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# ---- The numbers of the cases ----

ITERATIONS = 377
"""N as the prompts announce it; the runs of these tests have 3 iterations."""

ROLLOUTS = 4
"""K in the runs of these tests."""


@dataclass(frozen=True)
class Case:
    """An environment and a kind of policy, with the numbers that prompts tell (R2PO's configs)."""

    environment: str
    family: str
    n: int
    target: str
    step: str = ""
    tau: str = ""
    choices: str = ""
    policy: str = ""

    @property
    def numbers(self) -> dict[str, str]:
        """What stands for ``<name>`` in patterns."""
        told = {
            "n": self.n,
            "last": self.n - 1,
            "X": self.target,
            "s": self.step,
            "tau": self.tau,
            "choices": self.choices,
            "N": ITERATIONS,
            "K": ROLLOUTS,
        }
        return {name: str(value) for name, value in told.items()}


CARTPOLE = Case("cartpole", "linear", 10, "500", step="1", tau="480")
CONTINUOUS = Case("mountaincarcontinuous", "linear", 3, "100", step="1", tau="97")
SWIMMER = Case("swimmer", "linear", 18, "250", step="0.1", tau="230")
MAZE = Case("maze", "tabular", 9, "0.9", tau="0.9", choices="0, 1, 2, 3")
NIM = Case("nim", "tabular", 11, "1", tau="0.95", choices="1, 2, 3")
CASES = (CARTPOLE, CONTINUOUS, SWIMMER, MAZE, NIM)

MLP = Case("swimmer", "projected_mlp", 10, "250", step="0.1", policy="projected_mlp")
FEATURES = Case("swimmer", "random_features", 18, "250", step="0.1", policy="random_features")

# ---- How a fact shows ----

VALUE = r"-?\d+\.\d\d"
ACCOUNT = r"^Below it, write "

FACTS = {
    # Roles and aims
    "role: optimizer of functions": r"You are a skilled global optimizer of functions\.",
    "role: optimizer of RL policies": r"You are a skilled global optimizer of policies for reinforcement learning\.",
    "role: strong optimizer": r"You are a strong optimizer of policies for reinforcement learning\.",
    "role: critic, linear": r"You optimize a linear policy in a reinforcement-learning control task\.",
    "role: critic, tabular": r"You optimize a tabular policy in a reinforcement-learning task\.",
    "role: one pass, linear": (
        r"You optimize a linear policy in a reinforcement-learning control task, all in one pass:"
    ),
    "role: one pass, tabular": r"You optimize a tabular policy in a reinforcement-learning task, all in one pass:",
    "f is some function": (
        r"You maximize a function f\(params\): in every iteration you propose parameters, f is evaluated "
        r"there, and you see its value\."
    ),
    "f is a controller's reward": (
        r"You maximize f\(params\), the episodic reward of a policy, which is a nonlinear controller\."
    ),
    "optimal policy": (
        r"Find the policy that is optimal in the environment below: in every iteration you propose the "
        r"policy's parameters, they are tried in the environment, and you see the result\."
    ),
    "good policy": r"Find a good policy for the environment below\.",
    "review, reflect, improve": (
        r"The parameters at the end of this prompt have just been tried: review what came of it, reflect "
        r"on it, and improve them\."
    ),
    "efficiently": r"Reach the maximum efficiently within them\.",
    "maximize f": r"Aim at the highest value of f\.",
    "maximize the episodic reward": r"Aim at the highest episodic return\.",
    # Environment, policy, parameters
    "environment": r"^# Environment: \S",
    "policy": r"^# Policy\n\S",
    "opaque network": r"network of two layers, 8 -> 4 -> 2, with tanh .*opaque.* need not find out how they act inside",
    "n": r"^- There are <n> parameters, params\[0\] to params\[<last>\]\.$",
    "range and decimals": r"^- Each is a real number from -6\.0 to 6\.0 with 1 decimal\.$",
    "range without decimals": r"^- Each is a real number from -2\.0 to 2\.0\.$",
    "choices": r"^- Each is one of the integers <choices>\.$",
    "f is the episodic reward": r"f\(params\) is the episodic return of the policy with these parameters\.",
    "f is a mean": r"f\(params\) is the mean episodic reward of the policy with these parameters\.",
    "the reward is the measure": r"The measure of the policy is its episodic return\.",
    # Protocol
    "N comes first": r"^- You have <N> iterations\.",
    "examples may come first": r"The history below may begin with trials made before the first; ",
    "f and t come back until N is used up": (
        r"in each iteration you answer with parameters to try, and you are told the value of f and the "
        r"number of the iteration, until all <N> are used up\."
    ),
    "new vector up to N times": (
        r"You see earlier parameters with their rewards, and answer with new ones, up to <N> times\."
    ),
    "new vector": r"You see earlier parameters with their rewards, and answer with new ones\.",
    "t of N": r"This is iteration \d of <N>\.",
    "only the answer": r"Answer with the next parameters in the reply format, and add nothing else\.",
    "nothing before the answer": r"Answer with the next parameters; write nothing before the first line\.",
    # Reply format
    "first line": r"^The first line of your reply holds all <n> parameters and nothing else, in this form:$",
    "the line's form": r"^params\[0\]: v, params\[1\]: v, \.\.\., params\[<last>\]: v$",
    "account: detailed reason": ACCOUNT + r"a detailed reason for them\.",
    "account: strategy and every state": (
        r"^Below it, write step by step and in detail: how good the policies so far were, which strategy "
        r"suits the task, and your opinion on the action in every state\."
    ),
    "account: brief": ACCOUNT + r"a brief explanation\.",
    "account: changes": ACCOUNT + r"what you changed and why\.",
    "account: changes, with steps": ACCOUNT + r"what you changed and why; refer to particular steps of the rollout\.",
    "account: changes, with rollouts": ACCOUNT + r"what you changed and why; refer to particular rollouts and states\.",
    "account: draft, critique, revision": (
        r"^Below it, write briefly and in words the draft, your criticism of it and the final revision, "
        r"without any other set of parameters\."
    ),
    # Advice to searches
    "no repeats": r"^- Never propose parameters again that stand in the history\.$",
    "optimum around X": r"The optimum of f is around <X>\.",
    "optimal reward around X": r"The optimal return is around <X>\.",
    "below is a local optimum": r"A value below that is only a local optimum: then explore, before you exploit\.",
    "far below: explore": r"If the rewards are far below that, explore rather than over-exploit\.",
    "far below: explore, local optimum": (
        r"If the rewards are far below that, explore rather than over-exploit: that avoids a local "
        r"optimum\."
    ),
    "both signs": r"Try both positive and negative values of every parameter\.",
    "step size s": r"While you explore, use a step size of <s>\.",
    "step size about s": r"While you explore, use a step size of about <s>\.",
    "every possible value": r"Try every possible value of every parameter\.",
    "moderate, structured": r"Make moderate and structured changes, not chaotic ones\.",
    "no extremes again and again": (
        r"Do not try extreme patterns again and again, unless the history clearly speaks for them\."
    ),
    "the whole policy counts": (
        r"What counts is the behaviour of the whole policy: no parameter belongs to one dimension of the "
        r"state\."
    ),
    "coherent, swings only to restart": (
        r"Make coherent, moderate changes; a big swing only if the history strongly calls for a new "
        r"start\."
    ),
    # Histories
    "lines: value of f": r"^params\[0\]: -?\d.*; f\(params\): " + VALUE + "$",
    "lines: one rollout": r"^Trial 0: params = \[-?\d.*\]; rollout reward: " + VALUE + "$",
    "lines: mean": r"^Trial 2: params = \[-?\d.*\]; mean reward: " + VALUE + "$",
    "lines: warm-up": r"^Warm-up trial 0: params = \[-?\d.*\]; rollout reward: " + VALUE + "$",
    "lines: training": r"^Training trial 2: params = \[-?\d.*\]; mean reward: " + VALUE + "$",
    "lines: kinds alike": r"^Trial 0: params = \[-?\d.*\]; reward: " + VALUE + "$",
    "rollout below each trial": r"f\(params\): .*\nIts rollout, as state \| action \| reward:\n\d+ \| \d \| -?[\d.]+\n",
    "caption: policies in short": r"^Policies tried earlier, and their results in short:$",
    "caption: parameters, context": r"^Earlier parameters and their results, in short and for context:$",
    "caption: policies, context": r"^Earlier policies and their results, in short and for context:$",
    "caption: parameters, rewards": r"^Earlier parameters with their rewards:$",
    "caption: policies, rewards": r"^Earlier policies with their rewards:$",
    "point a: one random rollout": r"^- Warm-up trials are one rollout each of a random policy\.$",
    "point b: optimization": r"^- Training trials are from the optimization\.$",
    "point c: stronger evidence": (
        r"A high mean reward in training is stronger evidence than a warm-up rollout that was lucky\."
    ),
    "point d: hints only": r"Do not copy warm-up policies blindly: take them mainly as hints where to explore\.",
    "the points' title": r"^How to read the history:$",
    "note a: random phase": r"Warm-up trials are from the random phase: their rollout reward is that of one rollout\.",
    "note b: average": (
        r"Training trials are from the optimization: their mean reward is the average over the evaluation "
        r"rollouts\."
    ),
    "note c: nearest to the mean": (
        r"A rollout shown for a training trial is the one closest to the trial's mean: an example, whose "
        r"own reward is not that mean\."
    ),
    "excerpts": r"^Excerpts of one rollout each, as state->action->next state:\nTrial 0: \S",
    "no trials": r"^\(no trials yet\)$",
    # What a critic sees
    "proposal": r"^Proposed parameters: params\[0\]: -?\d.*$",
    "mean": r"^Mean return: -?\d+\.\d+$",
    "target around X": r"^- Target: a mean return around <X>\.$",
    "statistics": r"^Statistics of the rollouts:\n",
    "statistics, K": r"^Statistics of the <K> rollouts:\n",
    "statistics: rewards": rf"^- return: mean {VALUE}, min {VALUE}, max {VALUE}$",
    "statistics: lengths": r"^- length in steps: mean \d+\.\d, min \d+, max \d+$",
    "statistics: successes": r"^- reached the target of -?\d+\.\d\d: \d/<K>$",
    "statistics: the rest": r"^- did not reach it: \d/<K>$",
    "median as an example": r"^Median rollout, as an example: rollout \d, return -?\d+\.\d{4}, length \d+ steps\. ",
    "arrows": r"Each line is state->action->next state:\n",
    "of K": r"^Of <K> rollouts\. ",
    "worst": r"^Worst rollout: rollout \d, return -?\d+\.\d{4}$",
    "median": r"^Median rollout: rollout \d, return -?\d+\.\d{4}$",
    "best": r"^Best rollout: rollout \d, return -?\d+\.\d{4}$",
    "record, length and sum": rf"^One rollout, length \d+ steps, return {VALUE}\. ",
    "record, length only": r"^A recent rollout, length \d+ steps\. ",
    "numbered steps": r"Each line is step: state \| action \| reward:\n0: \S",
    "no rollout": r"^# The latest rollout\n\(none yet\)",
    # Advice of R2PO's critic
    "four steps": r"Think it through in four steps before you write\.",
    "1 systematic, by statistics": r"do the statistics of returns and lengths show systematic or occasional failures\?",
    "1 consistent, by statistics": r"do the statistics of returns and lengths show consistent or occasional failures\?",
    "2 dimensions of the median": (
        r"which dimensions of the state, and which responses to them, go with what the median rollout "
        r"shows\?"
    ),
    "2 statistics again": r"from the statistics again: are the failures systematic, or mostly chance\?",
    "3 keep what agrees": r"keep the behaviour that agrees with the better of the aggregate numbers\.",
    "3 entries that explain": r"find the entries that best explain the median rollout and the statistics\.",
    "4 parameters to blame": r"change only the parameters that are most to blame for instability or weak results\.",
    "4 entries to blame": r"change only the entries that are most to blame for failures or missed chances\.",
    "always or sometimes": r"Let the statistics decide whether the policy is always weak or fails only sometimes\.",
    "consistent or occasional": r"Let the statistics tell consistent problems from occasional failures\.",
    "success: no overfit": r"If the success rate is high already, do not overfit to the rollout that is shown\.",
    "success: no over-correction": r"If the success rate is high already, do not over-correct because of one rollout\.",
    "median: evidence": r"Take the median rollout as evidence of typical behaviour, and keep the changes focused\.",
    "median: example": r"Take the median rollout as an example of typical behaviour\.",
    "rule: preference": (
        r"Revision rule: if the mean return is <tau> or more, prefer to change nothing, or to make one "
        r"tiny edit that is well justified\."
    ),
    "rule: order": (
        r"Revision rule: if the mean return is <tau> or more and no failure is consistent, change "
        r"nothing, or make at most one tiny edit that is well justified\."
    ),
    # Advice of several critics
    "changes of s or less": (
        r"Prefer to change a parameter by <s> or less; change it more only where the evidence is strong\."
    ),
    "only choices": r"Every parameter must be one of the integers <choices>\.",
    "focused": r"^- Keep the changes focused\.$",
    "focused, keep what works": r"Keep the changes focused, and keep the parts of the policy that work\.",
    # Advice of RepTraj's critic
    "three steps": r"Think it through in three steps before you write\.",
    "1 where it went wrong": (
        r"find the step at which the rollout went wrong or ended, and which dimensions of the state were "
        r"out of the ordinary or decisive there\."
    ),
    "2 parameters on dimensions": r"work out which parameters of the weight matrix act on these dimensions\.",
    "2 entry to blame": r"find the entry, of a state and its action, that is to blame\.",
    "3 mend these": r"find the change of just these which mends it and harms nothing that works\.",
    "3 mend the entry": r"find the change of just that entry which mends it and harms nothing that works\.",
    "early end, parameters": (
        r"If the rollout ended early: which state triggered the end, and which parameters act in that "
        r"region\?"
    ),
    "early end, entries": (
        r"If the rollout ended early: which state triggered the end, and which entries act in that "
        r"region\?"
    ),
    "long but little": (
        r"If it is long but earns little, the policy may be stable and yet not optimal: then make small "
        r"changes\."
    ),
    "relate": r"Relate states, values and actions\.",
    "wrong action: weights": (
        r"Where an action looks wrong for its state, adjust the parameters of the weight matrix behind "
        r"it\."
    ),
    "wrong action: entry": r"Where an action looks wrong for its state, adjust the entry behind it\.",
    # Advice of ThreeTraj's critic
    "1 compare, systematic": r"compare the three rollouts: are the failures systematic or occasional\?",
    "1 compare, consistent": r"compare the three rollouts: are the failures consistent or occasional\?",
    "2 dimensions of the poor": (
        r"which dimensions of the state, and which responses to them, go with the poor rollouts\?"
    ),
    "2 entries of the bad": r"find the entries that explain the bad rollouts\.",
    "3 what to keep": r"the successful parts of the median and the best rollout say what to keep\.",
    "3 choices to keep": r"keep the choices that occur in the good parts of the median and the best rollout\.",
    "worst and median: real": (
        r"What is bad in the worst and the median rollout alike is likely a real problem of the policy\."
    ),
    "worst and median: systematic": r"What is bad in the worst and the median rollout alike is systematic\.",
    "worst only: rare": r"What is bad in the worst one only may be a rare failure by chance: beware of fitting it\.",
    "worst only: chance": r"What is bad in the worst one only may be chance: do not over-correct\.",
    "best: keep": r"Take the best rollout as evidence of what to keep\.",
    # Advice of CriticOnly
    "draft and revise in thought": r"draft, criticise and revise in your thoughts, then answer\.",
    "likely failures": (
        r"in your thoughts: from the task, the history and the latest rollout, work out in which ways the "
        r"policy is likely to fail\."
    ),
    "states likely to fail": (
        r"in your thoughts: from the task, the history and the latest rollout, work out in which states "
        r"the policy is likely to fail\."
    ),
    "draft": r"Then draft new parameters\.",
    "criticise: instability": (
        r"Then criticise the draft: look for instability, too little exploration and plain control "
        r"mistakes\."
    ),
    "criticise: entries": r"Then criticise the draft: look for fragile or plainly bad entries\.",
    "revise once": r"Revise it once\.",
    "no failed ideas": r"Do not repeat ideas that failed in the history\.",
    "find unstable states": r"In the latest rollout, find unstable states and control mistakes\.",
    "find fragile choices": r"In the latest rollout, find states of failure and fragile choices\.",
    "focused and consistent": r"Keep the changes focused and consistent with each other\.",
    "coherent": r"Make changes that are coherent over related states, no random isolated edits\.",
    "draft stays internal": r"Draft and criticism stay in your thoughts: do not print the draft\.",
    "only the final": r"If draft and final parameters differ, print the final parameters only\.",
}

# ---- Which prompt has which ----

REPLY = {"first line", "the line's form"}
VALUES = {"linear": {"n", "range and decimals"}, "tabular": {"n", "choices"}}
STEPS = {"linear": {"both signs", "step size s"}, "tabular": {"every possible value"}}
PROTOCOL = {"N comes first", "examples may come first", "f and t come back until N is used up"}
LOCAL = {"optimum around X", "below is a local optimum"}
SEARCH = REPLY | PROTOCOL | {"no repeats", "t of N", "only the answer"}
BLACK_BOX = SEARCH | LOCAL | {"role: optimizer of functions", "f is some function", "efficiently"}
BLACK_BOX |= {"account: detailed reason"}
NUMERIC = BLACK_BOX | {"lines: value of f"}
OF_R2PO = BLACK_BOX | {"lines: one rollout", "lines: mean", "caption: policies in short"}
PHASES = {"lines: warm-up", "lines: training"}
POINTS = {"the points' title", "point a: one random rollout", "point b: optimization", "point c: stronger evidence"}
POINTS |= {"point d: hints only"}
NOTES = {"note a: random phase", "note b: average", "note c: nearest to the mean"}
DESCRIBED = SEARCH | {"role: optimizer of RL policies", "optimal policy", "environment", "policy", "lines: value of f"}
DESCRIBED |= {"f is the episodic reward"}
PROPSP_LINEAR = DESCRIBED | LOCAL | {"maximize f", "account: detailed reason"}
PROPSP_TABULAR = DESCRIBED | {
    "optimal reward around X",
    "maximize the episodic reward",
    "account: strategy and every state",
    "rollout below each trial",
}

ABOUT = REPLY | {"environment", "policy", "target around X"}
CRITIC = ABOUT | {"review, reflect, improve", "proposal", "mean"}
OWN = {
    "linear": {"the reward is the measure", "changes of s or less"},
    "tabular": {"only choices"},
}
STATISTICS = {f"statistics: {part}" for part in ("rewards", "lengths", "successes", "the rest")}
R2PO_CRITIC = (
    CRITIC | STATISTICS | {"median as an example", "arrows", "lines: one rollout", "lines: mean", "four steps"}
)
R2PO_CRITIC |= {"account: changes"}
RAW = CRITIC | {
    "record, length and sum",
    "numbered steps",
    "excerpts",
    "lines: kinds alike",
    "three steps",
    "no repeats",
}
RAW |= {
    "1 where it went wrong",
    "long but little",
    "relate",
    "focused, keep what works",
    "account: changes, with steps",
}
THREE = CRITIC | PHASES | NOTES | {"worst", "median", "best", "arrows", "four steps", "best: keep", "no repeats"}
THREE |= {"account: changes, with rollouts"}
ONLY = ABOUT | {"excerpts", "lines: kinds alike", "record, length only", "numbered steps", "no repeats"}
ONLY |= {
    "draft and revise in thought",
    "draft",
    "revise once",
    "no failed ideas",
    "draft stays internal",
    "only the final",
}
ONLY |= {"account: draft, critique, revision"}


def _families(linear: Iterable[str], tabular: Iterable[str]) -> dict[str, set[str]]:
    return {"linear": set(linear), "tabular": set(tabular)}


SEARCHES: Mapping[str, Mapping[str, set[str]]] = {
    **{
        method: _families(NUMERIC, NUMERIC)
        for method in ("props", "pure_search", "actor_second_pass", "reptraj", "always_critic")
    },
    "r2po": _families(OF_R2PO, OF_R2PO),
    "three_traj": _families(BLACK_BOX | PHASES | POINTS, BLACK_BOX | PHASES | POINTS),
    "propsp": _families(PROPSP_LINEAR, PROPSP_TABULAR),
}

RAW_CRITICS = _families(
    RAW
    | {"role: critic, linear", "caption: parameters, rewards", "2 parameters on dimensions", "3 mend these"}
    | {"early end, parameters", "wrong action: weights"},
    RAW
    | {"role: critic, tabular", "caption: policies, rewards", "2 entry to blame", "3 mend the entry"}
    | {"early end, entries", "wrong action: entry"},
)

CRITICS: Mapping[str, Mapping[str, set[str]]] = {
    "r2po": _families(
        R2PO_CRITIC
        | {"role: critic, linear", "caption: parameters, context", "statistics", "rule: preference"}
        | {"1 systematic, by statistics", "2 dimensions of the median", "3 keep what agrees", "4 parameters to blame"}
        | {"always or sometimes", "success: no overfit", "median: evidence"},
        R2PO_CRITIC
        | {"role: critic, tabular", "caption: policies, context", "statistics, K", "rule: order"}
        | {"1 consistent, by statistics", "2 statistics again", "3 entries that explain", "4 entries to blame"}
        | {"consistent or occasional", "success: no over-correction", "median: example", "focused, keep what works"},
    ),
    "reptraj": RAW_CRITICS,
    "always_critic": RAW_CRITICS,
    "three_traj": _families(
        THREE
        | {"role: critic, linear", "caption: parameters, context", "1 compare, systematic", "2 dimensions of the poor"}
        | {"3 what to keep", "4 parameters to blame", "worst and median: real", "worst only: rare", "focused"},
        THREE
        | {"role: critic, tabular", "caption: policies, context", "1 compare, consistent", "2 entries of the bad"}
        | {"3 choices to keep", "4 entries to blame", "worst and median: systematic", "worst only: chance"}
        | {"of K", "focused, keep what works"},
    ),
    "critic_only": _families(
        ONLY
        | {"role: one pass, linear", "caption: parameters, rewards", "likely failures", "criticise: instability"}
        | {"find unstable states", "focused and consistent"},
        ONLY
        | {"role: one pass, tabular", "caption: policies, rewards", "states likely to fail", "criticise: entries"}
        | {"find fragile choices", "coherent"},
    ),
}

OPAQUE = REPLY | VALUES["linear"] | {"opaque network", "policy", "no repeats", "optimum around X", "both signs"}
OPAQUE |= {"step size about s", "account: brief", "lines: value of f", "t of N", "nothing before the answer"}
OF_FAMILIES: Mapping[tuple[str, str], set[str]] = {
    ("props", "projected_mlp"): OPAQUE
    | {"role: optimizer of functions", "f is a controller's reward", "new vector up to N times", "far below: explore"}
    | {"moderate, structured", "no extremes again and again"},
    ("propsp", "projected_mlp"): OPAQUE
    | {"role: strong optimizer", "good policy", "environment", "f is a mean", "new vector"}
    | {"far below: explore, local optimum", "the whole policy counts", "coherent, swings only to restart"},
    ("propsp", "random_features"): PROPSP_LINEAR | STEPS["linear"] | {"n", "range without decimals"},
}

OF_TRAINING = {"lines: mean", "lines: training"}
"""Facts that need an evaluated trial."""

OF_TRIALS = (
    OF_TRAINING
    | POINTS
    | {name for name in FACTS if name.startswith("lines: ")}
    | {"excerpts", "rollout below each trial", "record, length only"}
)
"""Facts that need any trial."""


def expected(method: str, role: str, case: Case) -> set[str]:
    """Return the facts of a prompt once the history has trials of both kinds."""
    if case.policy:
        return set(OF_FAMILIES[method, case.policy])
    if role == "search":
        return SEARCHES[method][case.family] | VALUES[case.family] | STEPS[case.family]
    return CRITICS[method][case.family] | VALUES[case.family] | OWN[case.family]


def without_trials(facts: set[str], role: str) -> set[str]:
    """Return what is left of a prompt's facts where the history is empty."""
    left = (facts - OF_TRIALS) | {"no trials"}
    if role == "critic" and "record, length only" in facts:
        left = (left - {"numbered steps"}) | {"no rollout"}
    return left


def filled(text: str, case: Case | None) -> str:
    """Return a pattern with the numbers of a case, or with any numbers."""
    for number in re.findall("<([a-zA-Z]+)>", text):
        loose = r"[\d, ]+" if number == "choices" else r"\S+"
        text = text.replace(f"<{number}>", loose if case is None else re.escape(case.numbers[number]))
    return text


def pattern(name: str, case: Case | None = None) -> re.Pattern[str]:
    """Return how a fact shows."""
    return re.compile(filled(FACTS[name], case), re.MULTILINE)


def shown(prompt: str) -> set[str]:
    """Return the facts that show in a prompt, whatever their numbers."""
    return {name for name in FACTS if pattern(name).search(prompt)}
