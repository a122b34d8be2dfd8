"""How the published facts show in compact prompts: most as in ``facts``, the others as said here.

Each prompt must show the facts that it has in the published style, and none of any other prompt.
"""

from __future__ import annotations

import re

from tests.prompts.facts import FACTS, Case, filled

VALUE = r"-?\d+(?:\.\d\d?)?"
VECTOR = r"\[-?\d[^\]]*\](?: \(params.* moved to (?:its bound|their bounds)\))?"
TRIAL = rf"f = {VALUE}; {VECTOR}$"
OUTSIDE = r" Trials in the history may lie outside(?:; a value of yours outside is moved to the nearest bound)?\.$"
ONE_ROLLOUT = r"of a warm-up trial,[^.]* the reward of its one rollout\."
MEAN = r"(?i:f is the(?:ir)? mean reward; )"
OF_MARKED = (
    r"^- Warm-up trials, marked so, are one rollout each of a random policy: f is its reward\.$"
    r"|^f is the rollout reward of trials marked as warm-up"
)
OF_OTHERS = (
    r"^- All others are training trials, from the optimization: f is their mean reward\.$"
    r"|, and the mean reward of all others, the training trials\.$"
)
EACH_STEP = r"Each line is a state and the action taken in it, state \| action; the last one says how it ended:"
RECORD = (
    r"Each line is state \| action \| reward; a reward is left out where it equals the one before\. Every 10th step "
    r"has its number, from 0, before it:"
)

COMPACT = {
    **FACTS,
    "f is some function": r"You maximize a function f\(params\)\.$",
    "optimal policy": r"Find the policy that is optimal in the environment below\.$",
    "efficiently": r"Reach the maximum efficiently\.",
    "range and decimals": r"^- Each is a real number from -6\.0 to 6\.0 with 1 decimal\." + OUTSIDE,
    "range without decimals": r"^- Each is a real number from -2\.0 to 2\.0\." + OUTSIDE,
    "examples may come first": r"The history may begin with trials made before the first; ",
    "f and t come back until N is used up": (
        r"in each iteration you answer with parameters to try, and are told the value of f and the number of the "
        r"iteration, until all are used up\."
    ),
    "only the answer": r"Answer with the next parameters in the form below, and add nothing else\.",
    "below is a local optimum": (
        r"A value below that is only a local optimum: then explore, before you exploit\. Once it is reached, stay "
        r"close to what reached it\."
    ),
    "far below: explore": (
        r"If the rewards are far below that, explore rather than over-exploit\. Once it is reached, stay close to what "
        r"reached it\."
    ),
    "far below: explore, local optimum": (
        r"If the rewards are far below that, explore rather than over-exploit: that avoids a local optimum\. Once it "
        r"is reached, stay close to what reached it\."
    ),
    "criticise: instability": (
        r"Then criticise the draft: look for instability, plain control mistakes and, as long as the target is not "
        r"reached, too little exploration\."
    ),
    "both signs": r"While you explore, try both positive and negative values of every parameter, ",
    "step size s": r"try both .*, with a step size of <s>\.",
    "step size about s": r"try both .*, with a step size of about <s>\.",
    "every possible value": r"While you explore, try every possible value of every parameter\.",
    "lines: value of f": rf"^(?:# History\n|.*the step before\.\nTrial 0: ){TRIAL}",
    "lines: one rollout": rf"{ONE_ROLLOUT}(?s:.*?)^Trial 0 \(warm-up\): {TRIAL}",
    "lines: mean": rf"{MEAN}(?s:.*?)^Trial 2: {TRIAL}",
    "lines: warm-up": rf"(?:{OF_MARKED})(?s:.*?)^Trial 0 \(warm-up\): {TRIAL}",
    "lines: training": rf"(?:{OF_OTHERS})(?s:.*?)^Trial 2: {TRIAL}",
    "lines: kinds alike": rf"^Earlier .* with their rewards:\nTrial 0: {TRIAL}",
    "rollout below each trial": (
        r"^A rollout stands below its trial, as state:action of each step; =reward follows where it differs from the "
        rf"step before\.\nTrial 0: {TRIAL}\nRollout: \d+:\d=-?[\d.]+ "
    ),
    "caption: policies in short": r"^Policies tried earlier, in short\.",
    "point a: one random rollout": OF_MARKED.split("|")[0],
    "point b: optimization": OF_OTHERS.split("|")[0],
    "excerpts": r"^Excerpts of one rollout each, as state \| action; the end stands last:\nTrial \d: \S",
    "proposal": rf"^Proposed parameters: {VECTOR}$",
    "mean": rf"^Mean return: {VALUE}$",
    "statistics": rf"^Mean return: {VALUE}\nReturns: ",
    "statistics, K": rf"^Mean return: {VALUE}\nReturns: ",
    "statistics: rewards": rf"^Returns: from {VALUE} to {VALUE}$",
    "statistics: lengths": r"^Steps: mean \d+(?:\.\d)?, from \d+ to \d+$",
    "statistics: successes": r"^Return of at least <X> \(the target\): \d of <K>; ",
    "statistics: the rest": r"; less: \d$",
    "median as an example": rf"^Median rollout, as an example: rollout \d, return {VALUE}, \d+ steps\. ",
    "arrows": EACH_STEP,
    "worst": rf"^Worst\b.* rollout: rollout \d, return {VALUE}$",
    "median": rf"(?i:^(?:worst, |worst and )?median\b).* rollout: rollout \d, return {VALUE}$",
    "best": rf"(?i:^.*\bbest) rollout: rollout \d, return {VALUE}$",
    "record, length and sum": rf"^One rollout, return {VALUE}, \d+ steps\. ",
    "record, length only": r"^A recent rollout, \d+ steps\. ",
    "numbered steps": rf"{RECORD}\n0: \S",
    "only choices": FACTS["choices"],
}  # fmt: skip

FURTHER = {
    "the request": r"^# Now\nAnswer with (?:the revision of this policy|the final parameters)\.$",
    "same steps": r"^These have the same steps:$",
}
"""What only compact prompts say, and nothing of an experiment."""

ALIKE = {"statistics", "statistics, K"}
"""Of these, compact prompts say the same: the number of rollouts stands in the successes."""


def pattern(name: str, case: Case | None = None) -> re.Pattern[str]:
    """Return how a fact shows in a compact prompt."""
    return re.compile(filled({**COMPACT, **FURTHER}[name], case), re.MULTILINE)


def shown(prompt: str) -> set[str]:
    """Return the facts that show in a compact prompt, whatever their numbers."""
    return {name for name in COMPACT if pattern(name).search(prompt)}
