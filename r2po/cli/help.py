"""What ``--help`` of a command shows: its options in sections, and examples."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "which experiments": (
        *("--table", "--model", "--smoke", "--only", "--without-sb3", "--set-sb3"),
        *("--config", "--set", "--seed", "--protocol", "--algorithms", "--trials"),
    ),
    "several runs": ("--runs", "--seeds", "--first", "--jobs", "--logs", "--name"),
    "caps of all runs together": ("--max-llm-calls", "--max-tokens", "--max-cost", "--max-cost-each", "--approve-cost"),
    "when servers are out": ("--max-outage",),
    "on several machines": ("--worker", "--ray", "--cpus-per-run"),
    "in batches": (
        *("--batch", "--batch-poll", "--batch-collect", "--resend-batch", "--cancel-batches", "--batch-hours"),
    ),
    "new or continued": ("--fresh", "--resume", "--accept-changed-prompts", "--replay-by-position"),
    "which logs": (
        *("--logs-root", "--logdir", "--max-runs", "--preset", "--methods", "--envs", "--only-env", "--only-method"),
        *("--expected-runs", "--expected-episodes", "--expected-props-episodes"),
        *("--expected-critic-only-episodes", "--expected-sb3-episodes", "--strict-validation"),
    ),
    "how they are compared": (
        *("--metric", "--comparison-mode", "--pairing", "--primary", "--axis", "--value", "--at", "--target"),
        *("--target-reward", "--mention-mode", "--resamples", "--reference", "--from-published", "--as-published"),
    ),
    "what is written": (
        *("--formats", "--format", "--output-dir", "--output", "--figure", "--figures", "--layout", "--labels"),
        *("--compare-output", "--reanalyze", "--report"),
    ),
    "what the page holds": ("--motion", "--motion-s", "--frames", "--texts"),
    "what is printed": (
        "--dry-run",
        "--json",
        "--calls-per-minute",
        "--reply-s",
        "--list",
        "--quiet",
        "--version",
        "--help",
    ),
}
"""Options by what they are about, in the order of a help screen. Others stand under "options"."""
FEW = 8
"""A command with so few options shows them in one list."""
WIDTH = 79
_HEAD = "examples:"

_NIM = "configs/nim/nim_propsp.yaml"
_PROPS = "configs/cartpole/cartpole_props.yaml"

EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "run": {
        f"--config {_PROPS} --dry-run": "what it would ask, and what to expect",
        f"--config {_PROPS} --set llm_model_name=embedded/search": "without a language model",
        f"--config {_PROPS} --resume": "go on with the latest unfinished run",
    },
    "sb3_baselines": {
        "--config configs/sb3_baselines/nim_sb3.yaml": "all algorithms that fit",
        "--config configs/sb3_baselines/nim_sb3.yaml --algorithms PPO": "a part of it",
    },
    "sweep": {
        f"{_PROPS} {_NIM} --runs 3": "three runs of each",
        "logs/my_sweep --batch": "go on with a sweep as it was asked for, at half the price",
        f"{_PROPS} --runs 10 --dry-run --reply-s 8": "what ten runs will take",
    },
    "status": {"logs": "all sweeps under logs/", "logs --all": "with every run of theirs"},
    "pause": {"my_sweep": "the one below logs/", "/mnt/logs/my_sweep": "on any machine that sees its folder"},
    "resume": {"my_sweep": "the one below logs/", "my_sweep --logs /mnt/logs": "below another folder"},
    "stop": {"my_sweep": "the one below logs/", "my_sweep --logs /mnt/logs": "below another folder"},
    "set": {
        "my_sweep --jobs 4": "fewer runs at once, or more",
        "my_sweep --max-cost 50": "another cap",
        "my_sweep --jobs none": "as the sweep's command says",
    },
    "init": {"my_folder": "make it, with all configs", ".": "into the folder where you are"},
    "list": {"": "of the configs that a run finds here", "--configs my_configs": "of another folder"},
    "eval": {
        "--logdir logs/cartpole_props": "one experiment",
        "--logdir logs/a logs/b --labels before after": "two, side by side",
    },
    "eval_all_results": {
        "": "every experiment under logs/",
        "--only-env CartPole --figures experiments": "a part, and fewer figures",
    },
    "paper_results_tables": {
        "--reference published": "with the published figures beside ours",
        "--preset search --formats md latex": "methods without a model",
        "--from-published": "without any logs",
    },
    "paper_budget_tables": {
        "": "at the episodes that all have spent",
        "--at 1000000 tokens --target 0.8": "at a million tokens",
    },
    "paper_reward_curves": {
        "--output curves.pdf": "a panel for each environment",
        "--axis tokens --value incumbent --envs nim": "the best so far over tokens",
    },
    "paper_significance_tests": {
        "--comparison-mode all --figure tests.pdf": "against each baseline",
        "--primary heldout_reward:best:holm": "with one comparison declared before",
    },
    "paper_robust_statistics": {
        "": "of best_reward",
        "--metric heldout_reward --formats md pdf": "of another figure",
    },
    "paper_salience_analysis": {
        "": "of all runs with a critic",
        "--only-env nim --mention-mode phrase": "a part, and a narrower question",
    },
    "tau_c_sensitivity_results": {
        "": "from logs/",
        "--from-published --formats md": "without any logs",
    },
    "reevaluate": {
        "logs": "every run under logs/ that needs it",
        "logs/a/run_1 --episodes 100": "one run, with more episodes",
    },
    "show": {
        "logs/cartpole_props/run_1": "the whole tree",
        "logs/cartpole_props/run_1 --best --diff": "only what was better than all before",
        "logs/cartpole_props/run_1 --iteration 3": "all of one iteration",
    },
    "report": {
        "logs/cartpole_r2po/run_1": "a run, into report.html",
        "logs/cartpole_r2po logs/cartpole_props --output both.html": "side by side",
    },
    "track": {
        "logs/cartpole_r2po --to tensorboard": "all runs of an experiment",
        "logs/cartpole_r2po/run_1 --to wandb mlflow": "a run, to two of them",
    },
    "view": {
        "logs": "all runs under a folder",
        "logs --port 8765": "on a port that a tunnel leads to",
    },
    "reproduce": {
        "r2po --table core --runs 2 --smoke": "see that all works, without a model",
        "r2po --table core --dry-run": "what the whole table costs",
        "props --model gpt-4o --approve-cost 300": "another paper, if that is enough",
    },
    "watch": {
        "logs/cartpole_props/run_1": "in a window",
        "logs/cartpole_props/run_1 --output best.gif": "into a file",
    },
    "export": {
        "logs/cartpole_props/run_1 --output best.json": "numbers",
        "logs/cartpole_promptpo/run_1 --output best.py": "a program",
    },
    "prompt": {
        "logs/cartpole_props/run_1 3 search": "what was asked in iteration 3",
        "logs/cartpole_r2po/run_1 3 critic": "what its critic was asked",
    },
    "new-task": {
        "Acrobot-v1": "into tasks/acrobot.yaml",
        "CliffWalking-v1 --output ice.yaml --env-kwargs is_slippery=true": "a variant of it, into a file that you name",
    },
    "check-task": {"CartPole-v1": "one task", "all": "all that there are"},
    "demo": {"": "without a language model", "--llm --yes": "with a small one; installs it"},
    "serve": {
        "--model smollm2": "a small model for trials",
        "--model qwen3-8b-q4_k_m.gguf --context 65536": "a file of yours",
    },
    "doctor": {
        "": "which keys are set",
        "--model ollama/gpt-oss:20b-cloud": "a model",
        "--isolation": "the wall around programs",
    },
    "completion": {
        "bash > ~/.local/share/bash-completion/completions/r2po": "for every new bash",
        'zsh > "${fpath[1]}/_r2po"': "for every new zsh",
        "fish > ~/.config/fish/completions/r2po.fish": "for every new fish",
    },
}
"""For each command: arguments, and in a few words what they do."""


class _Formatter(argparse.HelpFormatter):
    """Wraps all texts but examples, which are lines to copy."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_HEAD) else super()._fill_text(text, width, indent)


class Parser(argparse.ArgumentParser):
    """A parser of one command.

    Args:
        command: Its name; empty for that of all commands.
        description: What it does, in a line.
        prog: What it is called by.
    """

    def __init__(self, command: str = "", *, description: str, prog: str) -> None:
        examples = EXAMPLES.get(command, {})
        super().__init__(
            prog=prog,
            description=description,
            epilog=_told(examples, prog) or None,
            formatter_class=_Formatter,
        )

    def format_help(self) -> str:
        """Return the screen."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        for title, text, actions in self._sections():
            formatter.start_section(title)
            formatter.add_text(text)
            formatter.add_arguments(actions)
            formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()

    def _sections(self) -> list[tuple[str | None, str | None, list[argparse.Action]]]:
        """Return title, text and options of each section."""
        groups = [(group.title, group.description, group._group_actions) for group in self._action_groups]
        at = next(index for index, group in enumerate(self._action_groups) if group is self._optionals)
        title, _, actions = groups[at]
        if len(actions) <= FEW:
            return groups
        named = [(name, None, [each for each in actions if _is_in(each, SECTIONS[name])]) for name in SECTIONS]
        known = [each for _, _, found in named for each in found]
        others = [each for each in actions if each not in known]
        return [*groups[:at], *[part for part in named if part[2]], (title, None, others), *groups[at + 1 :]]


def _is_in(action: argparse.Action, options: Sequence[str]) -> bool:
    return any(option in options for option in action.option_strings)


def _told(examples: Mapping[str, str], prog: str) -> str:
    called = f"python {prog}" if prog.endswith(".py") else prog
    lines = [f"  # {what}\n{_broken(f'  {called} {arguments}'.rstrip())}\n" for arguments, what in examples.items()]
    return "".join([f"{_HEAD}\n", *lines]) if lines else ""


def _broken(line: str) -> str:
    """Return a command in lines that a narrow terminal shows whole, and that a shell takes as they are."""
    before, space, after = line.rpartition(" --")
    return f"{before} \\\n     {space}{after}" if len(line) > WIDTH and space else line
