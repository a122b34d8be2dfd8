"""Each environment's description tells the published facts, with no number more, to the prompts that describe it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from r2po.tasks import PUBLISHED
from tests.prompts.facts import CRITICS, SEARCHES
from tests.prompts.real import asked, prompt_of

# ---- What is told, and what is not ----


@dataclass(frozen=True)
class Told:
    """What a description must say and must not.

    Attributes:
        facts: Patterns that must match.
        numbers: All numbers that it may and must contain, without those of dimensions and actions.
        untold: Patterns that must not match; each matches the detailed description, which tells more.
        never: Patterns that must not match, of facts that no description tells.
    """

    facts: tuple[str, ...]
    numbers: str
    untold: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


SIGNED_CAR = (
    r"In two dimensions",
    r"valley shaped like a U",
    r"The goal is the flag far on the right hill; reach it as fast as possible",
    r"s\[0\]: car position \(negative: left, positive: right\), -1\.2 to 0\.6$",
    r"s\[1\]: car velocity \(negative: to the left, positive: to the right\), -0\.07 to 0\.07$",
)
DYNAMICS = (
    r"cos",
    r"gravity",
    r"engine",
    r"lowest point",
    r"-0\.52",
    r"at rest",
    r"[Ww]all",
    r"0\.0025",
    r"at the latest",
)
HINTS = (r"swing", r"momentum", r"back and forth", r"direction of (the|its) velocity", r"clipped")
DOUBLE = tuple(
    rf"s\[{index}\]: {name}$"
    for index, name in enumerate(
        (
            "cart position",
            "sine of the angle between the first pole and the cart",
            "sine of the angle between the two poles",
            "cosine of the angle between the first pole and the cart",
            "cosine of the angle between the two poles",
            "cart velocity",
            "angular velocity of the first pole's angle",
            "angular velocity of the angle between the two poles",
            "constraint force along x",
        )
    )
)
SWIMMER_STATE = (
    ("angle of the front tip", "rad"),
    ("angle of the first rotor", "rad"),
    ("angle of the second rotor", "rad"),
    ("velocity of the tip along x", "m/s"),
    ("velocity of the tip along y", "m/s"),
    ("angular velocity of the front tip", "rad/s"),
    ("angular velocity of the first rotor", "rad/s"),
    ("angular velocity of the second rotor", "rad/s"),
)
SWIMMING = r"velocity along x minus 0\.0001 times the squared action: move forward, and keep the control cost small"

DESCRIPTIONS = {
    "cartpole": Told(
        (
            r"In two dimensions",
            r"pole is attached to a cart by a free joint",
            r"without friction",
            r"starts upright",
            r"Balance it by pushing the cart to the left or to the right",
            r"keep the pole upright and the cart in \[-2\.4, 2\.4\]",
            r"s\[0\]: cart position, -4\.8 to 4\.8$",
            r"s\[1\]: cart velocity, unbounded$",
            r"s\[2\]: pole angle \(rad\), -0\.418 to 0\.418$",
            r"s\[3\]: pole angular velocity, unbounded$",
            r"^- 0: push the cart to the left$",
            r"^- 1: push the cart to the right$",
            r"^Reward: \+1 for every step with the pole upright and the cart in that range\.$",
            r"ends when the pole has fallen or the cart is outside \[-2\.4, 2\.4\]\.$",
        ),
        "4 -4.8 4.8 -0.418 0.418 -2.4 2.4 1",
        (
            r"12 degrees",
            r"0\.2095",
            r"500",
            r"force",
            r"0\.02",
            r"uniformly",
            r"positive",
            r"last one included",
            r"at the latest",
        ),
        (r"stopped after", r"step limit"),
    ),
    "mountaincar": Told(
        (
            *SIGNED_CAR,
            r"can accelerate to the left, to the right or not at all",
            r"^- 0: accelerate to the left$",
            r"^- 1: do not accelerate$",
            r"^- 2: accelerate to the right$",
            r"^Reward: -1 for every step\.$",
        ),
        "2 -1.2 0.6 -0.07 0.07 -1",
        (*DYNAMICS, r"0\.001", r"200", r"0\.5\b", r"last one included"),
        HINTS,
    ),
    "mountaincarcontinuous": Told(
        (
            *SIGNED_CAR,
            r"^- a\[0\]: force on the car \(negative: to the left, positive: to the right\)$",
            r"^Reward: -0\.1 \* action\^2 for every step, and \+100 for reaching the goal\.$",
        ),
        "2 -1.2 0.6 -0.07 0.07 1 -0.1 100",
        (*DYNAMICS, r"-1 to 1", r"only the part in this range", r"0\.45", r"0\.0015", r"999", r"at most 0", r"fuel"),
        (*HINTS, r"torque"),
    ),
    "invertedpendulum": Told(
        (
            r"cart moves along a line and carries a pole whose other end is free",
            r"Push the cart to the left or to the right to balance the pole",
            r"What is executed is the number that the policy gives, clipped to the action's range where needed",
            r"s\[0\]: cart position \(m\), unbounded$",
            r"s\[1\]: pole angle \(rad\), unbounded$",
            r"s\[2\]: cart velocity \(m/s\), unbounded$",
            r"s\[3\]: pole angular velocity \(rad/s\), unbounded$",
            r"^- a\[0\]: force on the cart, -3 to 3$",
            r"^Reward: \+1 for every step with the pole upright\.$",
            r"ends when the pole angle is outside \[-0\.2, 0\.2\] rad\.$",
        ),
        "4 1 -3 3 -0.2 0.2",
        (
            r"0\.6 m",
            r"0\.04",
            r"rail",
            r"1000",
            r"100 N",
            r"uniformly",
            r"positive",
            r"0 for the step",
            r"at the latest",
        ),
        (r"cart .* outside", r"\d N\b"),
    ),
    "inverteddoublependulum": Told(
        (
            *DOUBLE,
            r"cart carries a pole, and a second pole stands on the first; the upper end of the second pole is free",
            r"continuous force pushes the cart to the left or to the right",
            r"Keep the second pole balanced on the first, with little movement of cart and poles",
            r"^- a\[0\]: force on the cart \(positive: to the right\), -1 to 1$",
            r"bonus for being alive \(fixed while the pendulum is healthy, 10 by default\)",
            r"minus a penalty on distance \(for movement of the second pole's tip\)",
            r"minus a penalty on velocity \(for moving too fast\)",
        ),
        "9 1 -1 10",
        (
            *(r"0\.6 m", r"0\.05 s", r"rail", r"uniformly", r"normally", r"clipped", r"500 N", r"0\.01", r"0\.001"),
            *(r"0\.005", r"9\.36", r"height", r"1000", r"-10 to 10", r"1\.2", r"End of an episode"),
        ),
    ),
    "swimmer": Told(
        (
            *(rf"s\[{index}\]: {name} \({unit}\), unbounded$" for index, (name, unit) in enumerate(SWIMMER_STATE)),
            r"two-dimensional pool is a chain of three links, joined by two rotors",
            r"always starts in the same position, but for a uniform random deviation",
            r"Move to the right as fast as possible, by the rotors' torques and the friction of the fluid",
            r"^- a\[0\]: torque on the first rotor, -1 to 1$",
            r"^- a\[1\]: torque on the second rotor, -1 to 1$",
            SWIMMING,
        ),
        "8 2 -1 1 0.0001",
        (
            r"0\.04",
            r"0\.1\b",
            r"150 N",
            r"1\.75",
            r"counterclockwise",
            r"1000",
            r"viscous",
            r"ends the episode",
        ),
        (r"argmax", r"three or more", r"End of an episode", r"smooth"),
    ),
    "pong": Told(
        (
            r"two-dimensional plane",
            r"you have the paddle on the left, which moves freely up and down along y, and there is a ball",
            r"Always hit the ball back",
            r"s\[0\]: y of your paddle$",
            r"s\[1\]: x of the ball$",
            r"s\[2\]: y of the ball$",
            r"s\[3\]: velocity of the ball along x$",
            r"s\[4\]: velocity of the ball along y$",
            r"^- 0: move your paddle up$",
            r"^- 1: move your paddle down$",
            r"^- 2: do nothing$",
            r"^Reward: \+1 for every hit\.$",
            r"The game ends when you miss the ball\.$",
        ),
        "5 1",
        (
            *(r"opponent", r"800", r"600", r"bounces", r"walls", r"\bdy\b", r"[Aa]t most 3", r"downward", r"centre"),
            *(r"400", r"1000", r"edge", r"40 to 560", r"-5 to 5", r"leaves the field"),
        ),
        (r"negative", r"above the ball", r"below the ball"),
    ),
    "frozenlake": Told(
        (
            r"grid of 4 x 4 cells",
            r"slippery: each action has three outcomes, all equally likely",
            r"^- 0: you go down, left or up$",
            r"^- 1: you go right, down or left$",
            r"^- 2: you go up, right or down$",
            r"^- 3: you go left, up or right$",
            r"State: a number from 0 to 15\. Cells are numbered row by row from the top",
            r"0 is cell \(0, 0\), 1 is cell \(0, 1\), and 15, at the bottom right, is the goal",
            r"Find out from the rollouts in the history where the holes are",
            r"choose actions that cannot lead into one",
            r"^Reward: \+1 at the goal, else 0\.$",
            r"The game ends in a hole\.$",
        ),
        "4 0 15 1",
        (r"edge", r"100", r"start", r"1/3", r"perpendicular", r"backward", r"4 \* row"),
        (r"holes? (is|are) (at|in|on|cell|state|\d)", r"\b(5|7|11|12)\b", r"away from"),
    ),
    "maze": Told(
        (
            r"maze of 3 x 3 cells from the top left cell to the goal in the bottom right cell",
            r"Some walls block the way; find out from the rollouts in the history where they are",
            r"from the start, 0, to the goal, 8:\n0 1 2\n3 4 5\n6 7 8\n",
            r"^- 0: move up$",
            r"^- 1: move down$",
            r"^- 2: move right$",
            r"^- 3: move left$",
            r"^Reward: \+1 for the step that reaches the goal, -0\.0111 for every other step\.$",
        ),
        "3 0 1 2 4 5 6 7 8 -0.0111",
        (r"stays", r"certain", r"200", r"width", r"0\.1 divided", r"End of an episode", r"edge"),
        (r"walls? between \d", r"-0\.01\b"),
    ),
    "nim": Told(
        (
            r"Two players in turn remove 1, 2 or 3 of 10 sticks",
            r"Whoever takes the last one loses: if you take it, you lose, and if your opponent takes it, you win",
            r"State: a number from 0 to 10\. The number of sticks left, from 0: none to 10: ten\.",
            r"^- 1: remove 1 stick$",
            r"^- 2: remove 2 sticks$",
            r"^- 3: remove 3 sticks$",
            r"^Reward: \+1 if you win, -1 if you lose\.$",
        ),
        "0 10 1 2 3 -1",
        (
            r"strong",
            r"winning move",
            r"random",
            r"first",
            r"illegal",
            r"more sticks than are left",
            r"0 for every other",
        ),
        (r"multiple", r"4 k", r"strategy", r"from 0 to 11"),
    ),
}

NAMED_STATE = tuple(rf"s\[{index}\]: {name}$" for index, (name, _) in enumerate(SWIMMER_STATE))
JOINTS = (
    *NAMED_STATE,
    r"Segments are linked into a chain that swims to the right by the torques of its two joints, with little effort",
    r"^- a\[0\]: torque on the first joint, -1 to 1$",
    r"^- a\[1\]: torque on the second joint, -1 to 1$",
    SWIMMING,
)
OTHERS = (r"unbounded", r"\(rad", r"start", r"pool", r"three", r"argmax", r"fluid", r"clip")
OF_FAMILIES = {
    "projected_mlp": Told(
        (*JOINTS, r"Good policies give smooth, coordinated torques and steady forward motion\."),
        "8 2 -1 1 0.0001",
        never=(*OTHERS, r"swings"),
    ),
    "random_features": Told(
        (*JOINTS, r"Good policies give smooth, coordinated torques without big swings, and steady forward motion\."),
        "8 2 -1 1 0.0001",
        never=OTHERS,
    ),
}


def section(prompt: str, heading: str) -> str:
    """Return what stands below a heading."""
    return prompt.split(f"\n# {heading}", 1)[1].split("\n# ", 1)[0]


def description(prompt: str) -> str:
    return section(prompt, "Environment: ").split("\n", 1)[1]


def numbers(text: str) -> set[str]:
    """Return all numbers of a text, but for those of dimensions, of actions and of the square."""
    text = re.sub(r"^- (?:[sa]\[\d+\]|\d+): |\^2", "", text, flags=re.MULTILINE)
    return set(re.findall(r"(?<![\w.)])-?\d+(?:\.\d+)?", text))


def check(text: str, told: Told) -> None:
    for fact in told.facts:
        assert re.search(fact, text, re.MULTILINE), fact
    for fact in told.untold + told.never:
        assert not re.search(fact, text, re.MULTILINE), fact
    assert numbers(text) == set(told.numbers.split())


each_environment = pytest.mark.parametrize("environment", PUBLISHED)

DESCRIBING = [("propsp", "search"), *((method, "critic") for method in CRITICS)]


def test_every_published_environment_has_its_list() -> None:
    assert set(DESCRIPTIONS) == set(PUBLISHED)


@each_environment
def test_a_description_tells_the_published_facts_and_numbers(environment: str) -> None:
    for method, role in (("propsp", "search"), ("r2po", "critic")):
        check(description(prompt_of(environment, method, role)), DESCRIPTIONS[environment])


@pytest.mark.parametrize("environment", ["cartpole", "invertedpendulum", "maze"])
@pytest.mark.parametrize(("method", "role"), DESCRIBING)
def test_all_prompts_that_describe_give_the_same_description(environment: str, method: str, role: str) -> None:
    usual = prompt_of(environment, "r2po", "critic")
    for iteration in (1, 3):
        prompt = prompt_of(environment, method, role, iteration)
        assert description(prompt) == description(usual)
        assert section(prompt, "Policy\n").strip() == section(usual, "Policy\n").strip()


@each_environment
def test_what_is_not_told_stands_in_the_detailed_description_only(environment: str) -> None:
    detailed = description(prompt_of(environment, "r2po", "critic", description="detailed"))
    for fact in DESCRIPTIONS[environment].untold:
        assert re.search(fact, detailed, re.MULTILINE), fact


@each_environment
@pytest.mark.parametrize("method", [method for method in SEARCHES if method != "propsp"])
def test_a_black_box_search_has_none_of_it(environment: str, method: str) -> None:
    for question in asked(environment, method):
        if question.role == "search":
            for fact in DESCRIPTIONS[environment].facts:
                assert not re.search(fact, question.prompt, re.MULTILINE), fact


@each_environment
@pytest.mark.parametrize("cap", [12, 23])
def test_no_prompt_tells_the_cap(environment: str, cap: int) -> None:
    for method, role in (("propsp", "search"), ("r2po", "critic"), ("critic_only", "critic")):
        text = prompt_of(environment, method, role, 1, max_traj_length=cap)
        usual = prompt_of(environment, method, role, 1)
        assert text.split("\n# History")[0] == usual.split("\n# History")[0]


# ---- Policies ----

SHAPES = {
    "cartpole": (4, 2),
    "mountaincar": (2, 3),
    "mountaincarcontinuous": (2, 1),
    "invertedpendulum": (4, 1),
    "inverteddoublependulum": (9, 1),
    "swimmer": (8, 2),
    "pong": (5, 3),
}
"""Rows of W and its columns; the biases are one row more."""

DISCRETE = ("cartpole", "mountaincar", "pong")


@pytest.mark.parametrize(("environment", "shape"), SHAPES.items(), ids=SHAPES)
def test_a_linear_policys_parameters_are_listed(environment: str, shape: tuple[int, int]) -> None:
    rows, columns = shape
    lines = section(prompt_of(environment, "r2po", "critic", 1), "Policy\n").strip().splitlines()
    listed = [line.split(", ")[0] for line in lines if line.startswith("- params[")]
    ends = [(row * columns, row * columns + columns - 1) for row in range(rows + 1)]
    names = [f"params[{first}]" + (f" to params[{last}]" if last > first else "") for first, last in ends]
    meanings = [f"weights of s[{row}]" for row in range(rows)] + ["biases b"]
    assert listed == [f"- {name}: {meaning}" for name, meaning in zip(names, meanings, strict=True)]
    rule = (
        "score = s W + b, and takes the action with the highest score."
        if environment in DISCRETE
        else "action = s W + b."
    )
    assert lines[0].endswith(rule)
    assert len(lines) == 3 + rows + 1


@pytest.mark.parametrize(("environment", "last"), [("frozenlake", 15), ("maze", 8), ("nim", 10)])
def test_a_table_has_an_action_for_each_state(environment: str, last: int) -> None:
    assert section(prompt_of(environment, "r2po", "critic", 1), "Policy\n").strip() == (
        "The policy is a table with one entry per state: params[s] is the action taken in state s, "
        f"for s = 0 to {last}."
    )


@pytest.mark.parametrize("family", OF_FAMILIES)
def test_the_descriptions_of_other_policies(family: str) -> None:
    check(description(prompt_of("swimmer", "propsp", "search", policy=family)), OF_FAMILIES[family])


@pytest.mark.parametrize("method", ["props", "propsp"])
def test_a_projected_network_is_opaque(method: str) -> None:
    prompt = prompt_of("swimmer", method, "search", policy="projected_mlp")
    policy = section(prompt, "Policy\n")
    for fact in (
        r"two layers, 8 -> 4 -> 2, with tanh hidden units",
        r"\b10 parameters",
        r"opaque",
        r"no weights to be interpreted",
    ):
        assert re.search(fact, policy), fact
    assert numbers(policy) == {"8", "4", "2", "10"}
    for fact in (r"project", r"latent", r"orthonormal", r"QR", r"random", r"params\[0\] to params\[4\]", r"z1"):
        assert not re.search(fact, prompt), fact


def test_random_features_are_told_but_for_their_numbers() -> None:
    prompt = prompt_of("swimmer", "propsp", "search", policy="random_features")
    policy = section(prompt, "Policy\n")
    for fact in (
        r"8 fixed nonlinear features of the state",
        r"tanh\(W clip\(s / 3, -5, 5\) \+ c\) with W and c random and frozen",
        r"a\[i\] = 0\.5 \(sum over j of R\[i, j\] h\[j\] \+ bias\[i\]\)",
        r"what is trained: the readout R, row by row, and the biases",
        r"abstract features, not single state dimensions",
        r"^- params\[0\] to params\[7\]: readout weights of a\[0\]",
        r"^- params\[8\] to params\[15\]: readout weights of a\[1\]",
        r"^- params\[16\]: bias of a\[0\]$",
        r"^- params\[17\]: bias of a\[1\]$",
    ):
        assert re.search(fact, policy, re.MULTILINE), fact
    assert "decimal" not in prompt
