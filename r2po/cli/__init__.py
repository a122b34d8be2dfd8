"""The command line. Each command has a module here; what it needs is imported when it runs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from types import FrameType, ModuleType
from typing import NoReturn

from r2po.cli.completion import answer
from r2po.cli.help import Parser
from r2po.cli.plugin_option import load_plugins
from r2po.errors import InputError, R2POError
from r2po.installation import version
from r2po.terminal import OutputLost, give_up_output, open_streams, visible, visible_output

COMMANDS = {
    "run": "run one experiment from a config file",
    "sb3_baselines": "run the Stable-Baselines3 baselines of one environment",
    "sweep": "run many experiments, each with several seeds, on this machine or on a cluster",
    "status": "say where the runs of a sweep stand",
    "pause": "let a sweep under way begin no call until it is resumed",
    "resume": "let a sweep go on that was paused",
    "stop": "let a sweep end once its calls under way have ended",
    "set": "change the caps of a sweep under way, and how many of its runs",
    "init": "copy the configs that come with r2po, and a .env.example, into a folder of yours",
    "list": "list environments, methods, policies, models and configs",
    "eval": "sum up the runs of log directories, and compare them",
    "eval_all_results": "sum up the runs of every experiment under a folder",
    "paper_results_tables": "make the results tables of the paper",
    "paper_budget_tables": "compare methods at the same budget: episodes, steps, calls, tokens or money",
    "paper_reward_curves": "draw reward over what was spent, a panel per environment",
    "paper_significance_tests": "test R2PO against its baselines",
    "paper_robust_statistics": "compare methods over all environments: IQM, probability of improvement, profiles",
    "paper_salience_analysis": "analyse how critics react to the worst rollout, and what revisions change",
    "tau_c_sensitivity_results": "make the tables of R2PO's sensitivity to tau_c",
    "reevaluate": "roll the accepted candidates of runs out on fresh episodes, which no choice has biased",
    "show": "show how the policies of a run came about, as a tree of its iterations",
    "report": "write runs as a page for a browser: curves, policies, prompts, replies, rollouts in motion",
    "track": "send runs to TensorBoard, Weights & Biases or MLflow",
    "view": "show the runs of a folder in a browser, and keep up with those that go on",
    "reproduce": "make a part of a paper again, and say how far it is from the published figures",
    "watch": "show or record the best policy of a run",
    "export": "write the best policy of a run into a file",
    "prompt": "print the exact prompt and reply of a call",
    "new-task": "draft a task card for an environment that is registered with Gymnasium",
    "check-task": "check a task: that its environment can be trusted, and what its card says of it",
    "demo": "see R2PO at work: with a stand-in, or with a real language model on this machine",
    "serve": "serve a model file on this machine, for runs to use",
    "completion": "print what a shell needs to complete commands, options and names with Tab",
    "doctor": "check a model: key, server, context length, one tiny call; or the wall around code",
}


EXACT = ("prompt",)
"""Commands that print texts as they are, unless it is on a terminal."""


class Terminated(BaseException):
    """The process was told to end (SIGTERM)."""


class _Parser(Parser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (--help shows all options)\n")


def main(arguments: Sequence[str] | None = None, program: str | None = None) -> int:
    """Run a command and return the exit code of the process.

    Args:
        arguments: Command and options; those of the process by default.
        program: Name of the script that stands for a single command, if it is one.

    Returns:
        0 done, 1 stopped but resumable, 2 bad input, 130 and 143 on signals.
    """
    # Matrices are small here: BLAS threads would fight with our own processes for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    open_streams()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        # No `list(...)` here: once r2po.cli.list is imported, that name is the module.
        options = _parse([*(sys.argv[1:] if arguments is None else arguments)], program)
        with visible_output(exact=options.command in EXACT):
            load_plugins(options)
            code = int(_module(options.command).run(options))
            sys.stdout.flush()
            return code
    except R2POError as error:
        if isinstance(error, OutputLost):
            give_up_output()
        return _complain(str(error), error.exit_code)
    except BrokenPipeError:
        # The reader of our output went away, e.g. `| head`: nothing is left to say.
        give_up_output()
        return 1
    except OSError as error:
        # Most are caught where more is known of them; these are of paths that cannot be used at all.
        where = f"{error.filename}: " if error.filename is not None else ""
        return _complain(f"{where}{error.strerror or error}", InputError.exit_code)
    except MemoryError as error:
        return _complain(f"not enough memory{f': {error}' if str(error) else ''}", InputError.exit_code)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Terminated:
        return 128 + signal.SIGTERM


def _complain(text: str, code: int) -> int:
    """Print an error, if there is still somebody who reads it, and return the exit code."""
    with suppress(OSError):
        print(f"error: {visible(text)}", file=sys.stderr)  # noqa: T201 - the one place where errors reach people
    return code


def _parse(arguments: list[str], program: str | None) -> argparse.Namespace:
    if program is not None:
        name = arguments.pop(0)
        parser: argparse.ArgumentParser = _Parser(name, prog=program, description=_sentence(COMMANDS[name]))
        _module(name).add_options(parser)
        return parser.parse_args(arguments, argparse.Namespace(command=name))
    parser = _Parser(prog="r2po", description="Policy search with language models.")
    parser.add_argument("--version", action="version", version=f"r2po {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, command=name, help=text, description=_sentence(text))
        _module(name).add_options(command)
    answer(parser)
    return parser.parse_args(arguments)


def _module(command: str) -> ModuleType:
    return import_module(f"r2po.cli.{command.replace('-', '_')}")


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise Terminated
