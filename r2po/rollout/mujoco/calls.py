"""What compiled code does and Python cannot: calls and numbers by address, numbers in turn, fused products."""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


def _generate_call(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    """Generate the call of the C function at an address, with the other arguments as they are."""
    address, *others = arguments
    function = ir.FunctionType(ir.VoidType(), [other.type for other in others])
    builder.call(builder.inttoptr(address, function.as_pointer()), others)
    return ir.Constant(ir.IntType(8).as_pointer(), None)


def _call(_context: Any, _address: Any, _model: Any, _data: Any) -> tuple[Any, Any]:
    return types.void(types.intp, types.intp, types.intp), _generate_call


def _call_with_state(_context: Any, _address: Any, _model: Any, _data: Any, _state: Any, _kind: Any) -> tuple[Any, Any]:
    return types.void(types.intp, types.intp, types.intp, types.intp, types.int32), _generate_call


def _generate_load(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    return builder.load(builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()))


def _load(_context: Any, _address: Any) -> tuple[Any, Any]:
    return types.float64(types.intp), _generate_load


def _generate_claim(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
    return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")


def _claim(_context: Any, _address: Any) -> tuple[Any, Any]:
    return types.int64(types.intp), _generate_claim


def _generate_fused(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    return builder.fma(*arguments)


def _fused(_context: Any, _one: Any, _other: Any, _addend: Any) -> tuple[Any, Any]:
    return types.float64(types.float64, types.float64, types.float64), _generate_fused


call: Any = intrinsic(_call)
"""Calls the ``void (*)(mjModel *, mjData *)`` at an address."""

call_with_state: Any = intrinsic(_call_with_state)
"""Calls the ``void (*)(mjModel *, mjData *, double *, int)`` at an address."""

load: Any = intrinsic(_load)
"""Returns the ``double`` at an address."""

claim: Any = intrinsic(_claim)
"""Returns the ``int64`` at an address and adds 1 to it, as one step: threads that do it get different numbers."""

fused: Any = intrinsic(_fused)
"""Returns the product of two ``double`` plus a third, rounded once."""
