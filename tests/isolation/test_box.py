"""What a box does with policies that are honest, wrong or greedy."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from r2po.isolation.box import Box
from r2po.isolation.limits import SOURCE_BYTES, Limits
from r2po.isolation.outcomes import PolicyFailed, WorkerNotReadyError
from r2po.isolation.protocol import Signature
from tests.isolation.boxes import VECTOR, fail, policy, take

RANDOM = policy(
    """
    Policy.calls = getattr(Policy, "calls", 0) + 1
    math.calls = getattr(math, "calls", 0) + 1
    np.linalg.calls = getattr(np.linalg, "calls", 0) + 1
    numbers = [random.random(), np.random.rand(), random.Random().random(), np.random.default_rng().normal()]
    numbers += [np.random.RandomState().rand(), np.random.Generator(np.random.PCG64()).random(), shuffle()]
    letters = "".join({"alpha", "beta", "gamma", "delta"})
    return [sum(numbers) + letters.index("a"), Policy.calls + math.calls + np.linalg.calls]
    """,
    """
    from __future__ import annotations
    import math
    import random
    import numpy as np
    from random import shuffle as mix

    def shuffle():
        np.random.seed()
        random.seed()
        items = list(range(100))
        mix(items)
        np.random.shuffle(items)
        return items[0]
    """,
)


class TestHonestPolicies:
    def test_what_models_write(self) -> None:
        head = """
        from __future__ import annotations
        from abc import ABC, abstractmethod
        from collections import defaultdict, deque
        import collections.abc
        from dataclasses import dataclass, field
        from enum import Enum
        from typing import Optional
        import bisect, copy, functools, heapq, itertools, math, operator, random, re, statistics, typing
        import numpy as np
        import numpy.random as npr
        from numpy.random import default_rng
        from numpy.typing import NDArray

        @dataclass(order=True)
        class Node:
            cost: float
            path: list[int] = field(default_factory=list)

        class Side(Enum):
            LEFT = 0

        @functools.lru_cache(maxsize=None)
        def fibonacci(n: int) -> int:
            return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
        """
        body = """
        print("a debug line", obs)
        heap = []
        heapq.heappush(heap, Node(2.0)); heapq.heappush(heap, copy.deepcopy(Node(1.0, [1])))
        x = np.linalg.solve(np.eye(4) * 2, obs)
        np.fft.fft(obs); np.polynomial.Polynomial([1, 2])(0.5); np.linalg.svd(np.eye(3)); np.ma.masked_array([1])
        f"{np.array([1.5, 2.0])}"; npr.rand(); default_rng(0).normal()
        copy.deepcopy(default_rng()); copy.deepcopy(random.Random()); random.setstate(random.getstate())
        np.einsum("i,i->", obs, obs, optimize=True); np.vectorize(abs)(obs); np.lib.stride_tricks.as_strided(obs)
        typing.get_type_hints(Node); re.compile("a+").match("a"); statistics.quantiles([1, 2, 3])
        obs[0] = 9.0
        return np.float32([x[1], heapq.heappop(heap).cost + fibonacci(20) + Side.LEFT.value])
        """
        assert take(policy(body, head)) == [[[0.5, 6766.0]]]

    def test_numpy_may_import_its_inner_modules(self) -> None:
        body = """
        words = f"{obs} {obs!r} {obs.dtype} {obs.dtype!r} {obs[0]!r} {np.float32(1)!r} {obs.view('i8').sum()}"
        words += f"{obs.mean()} {obs.std()} {obs.var()} {obs.max()} {obs.min()} {obs.any()} {obs.all()} {obs.prod()}"
        words += f"{np.dtype([('a', 'f8')])} {obs.astype(int).dtype.name} {obs.flags} {np.zeros(0)}"
        words += np.array2string(obs, precision=2) + np.array_repr(obs) + str(np.finfo(float))
        try:
            obs.reshape(7)
        except ValueError as error:
            words += str(error)
        return [len(words) > 500, 0.0]
        """
        assert take(policy(body, "import numpy as np")) == [[[1.0, 0.0]]]

    def test_one_other_class_with_act_counts(self) -> None:
        assert take("class Mine:\n    def act(self, obs): return [1, 2]") == [[[1.0, 2.0]]]

    def test_an_import_that_is_missing_can_be_caught(self) -> None:
        head = "try:\n    import scipy\nexcept ImportError:\n    scipy = None"
        assert take(policy("return [1.0, float(scipy is None)]", head)) == [[[1.0, 1.0]]]

    def test_a_package_can_be_allowed(self) -> None:
        source = policy("return [scipy.linalg.norm(obs), 0.0]", "import scipy.linalg")
        ((row,),) = take(source, imports=["scipy.linalg"])
        assert row[0] == pytest.approx(np.sqrt(14))
        with pytest.raises(WorkerNotReadyError, match="policies may import nothing_of_this_name, but it is not inst"):
            take(source, imports=["nothing_of_this_name"])

    def test_state_numbers_and_first_action(self) -> None:
        with Box() as box:
            box.load("class Policy:\n    def act(self, obs): return obs + 1.0", [1, 2], Signature(None, 9, True, 1))
            assert box.act([0, 1], struct.pack("<2q", 3, 4)).tolist() == [4, 5]
            assert box.act([1], struct.pack("<q", 7)).tolist() == [8]


class TestDeterminism:
    def test_the_same_again(self) -> None:
        assert take(RANDOM, seeds=[5, 6], steps=3) == take(RANDOM, seeds=[5, 6], steps=3)

    def test_an_episode_in_a_batch_is_that_alone(self) -> None:
        together = take(RANDOM, seeds=range(8), steps=4)
        alone = take(RANDOM, seeds=[5], steps=4)
        assert [step[5] for step in together] == [step[0] for step in alone]
        assert len({tuple(row) for row in together[0]}) == 8

    def test_the_seeds_of_the_environment_are_not_told(self) -> None:
        source = policy("return [random.random(), np.random.rand()]", "import random\nimport numpy as np")
        import random

        random.seed(7)
        assert take(source, seeds=[7]) != [[[random.random(), np.random.RandomState(7).rand()]]]


class TestFailures:
    def test_an_exception(self) -> None:
        failure = fail(policy("return self.helper(obs)"))
        assert failure.kind == "error"
        assert failure.text == (
            "In step 1 of an episode:\nline 4, in act\n    return self.helper(obs)\n"
            "AttributeError: 'Policy' object has no attribute 'helper'"
        )
        assert fail(policy("return self.helper(obs)")) == failure

    def test_no_action(self) -> None:
        failure = fail(policy("return [1.0, None]"))
        assert failure.kind == "action"
        assert failure.text == "In step 1 of an episode:\nIllegalAction: act must return 2 numbers, not [1.0, None]"

    def test_no_python(self) -> None:
        failure = fail("x = = 2")
        assert (failure.kind, failure.text) == ("syntax", "line 1\n    x = = 2\nSyntaxError: invalid syntax")

    @pytest.mark.parametrize(
        "source",
        [
            "x = '\0'",
            "x = '\ud800'",
            "x = a" + ".b" * 15_000,
            "x = " + "1+" * 15_000 + "1",
            "x" * (SOURCE_BYTES + 1),
        ],
        ids=["nul", "surrogate", "attributes", "plus", "long"],
    )
    def test_sources_that_attack_the_parser(self, source: str) -> None:
        assert fail(source).kind in {"syntax", "policy", "error", "crash"}

    def test_no_paths_of_this_machine(self) -> None:
        failure = fail(policy("import numpy\nraise ValueError(numpy.__file__)"))
        assert "/numpy/__init__.py" in failure.text
        assert str(Path(sys.prefix)) not in failure.text
        assert str(Path.home()) not in failure.text

    def test_a_failed_box_stays_failed(self) -> None:
        with Box() as box:
            box.load(policy("1 / 0"), [1], VECTOR)
            for _ in range(2):
                with pytest.raises(PolicyFailed, match="division by zero"):
                    box.act([0], bytes(32))

    def test_what_does_not_fit_is_refused(self) -> None:
        with Box() as box:
            box.load(policy("return [1, 2]"), [1], VECTOR)
            for slots, rows in (([0], 2), ([0, 1], 2), ([-1], 1)):
                with pytest.raises(ValueError, match="do not fit"):
                    box.act(slots, bytes(32 * rows))


class TestLimits:
    def test_load(self) -> None:
        failure = fail("while True: pass", limits=Limits(load_s=0.3))
        assert (failure.kind, failure.text) == ("time", "the policy took more than 0.3 s to load")

    def test_step(self) -> None:
        failure = fail(policy("while True: pass"), limits=Limits(step_s=0.3))
        assert (failure.kind, failure.text) == ("time", "the policy took more than 0.3 s for one step")

    def test_evaluation_by_the_clock(self) -> None:
        failure = fail(policy("return [1, 2]"), limits=Limits(wall_s=0.3), steps=10**6)
        assert (failure.kind, failure.text) == ("time", "the policy took more than 0.3 s for the whole evaluation")

    def test_cpu(self) -> None:
        failure = fail(policy("while True: pass"), limits=Limits(cpu_s=1))
        assert (failure.kind, failure.text) == ("time", "the policy took more than 1 s of CPU for the whole evaluation")

    def test_memory(self) -> None:
        body = "hoard = []\nwhile True:\n    hoard.append([0] * 10**6)"
        failure = fail(policy(body), limits=Limits(memory_mb=300))
        assert failure.kind == "memory"
        assert "hoard.append([0] * 10**6)\nMemoryError" in failure.text

    def test_start(self) -> None:
        with pytest.raises(WorkerNotReadyError, match=r"a policy's process was not ready after 0\.001 s"):
            Box(limits=Limits(start_s=0.001))

    def test_seconds_of_cpu_are_known_at_the_end(self) -> None:
        box = Box()
        seconds = [box.cpu_s]
        box.close()
        seconds.append(box.cpu_s)
        assert seconds[0] is None
        assert seconds[1] is not None
        assert seconds[1] > 0


def test_the_parents_side_imports_no_numpy() -> None:
    script = "import sys, r2po.isolation.box; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
