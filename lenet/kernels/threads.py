"""Where the threads of a step wait for each other, without Python."""

import os

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from lenet.kernels.lanes import inner

ARRIVED, ABORTED = 0, 1
"""What stands where in a step's int64 control array."""

SPINS = 2000
"""Looks at the others, some microseconds long, before the processor is offered to them."""


@intrinsic
def _arrive(typing, control):
    """Add one to the first value, seen by all threads."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        builder.atomic_rmw("add", data, ir.Constant(ir.IntType(64), 1), "seq_cst")
        return context.get_dummy_value()

    return types.void(control), generate


@intrinsic
def _look(typing, control, i):
    """Return value i as the other threads have left it."""

    def generate(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.gep(data, [arguments[1]])
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(control, types.intp), generate


@intrinsic
def _pause(typing):
    """Tell the processor that this is a loop of waiting."""

    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.VoidType(), [])
        name = "llvm.x86.sse2.pause"
        function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), generate


if os.name == "posix":
    _offer = types.ExternalFunction("sched_yield", types.int32())
else:

    @inner
    def _offer():
        return 0


@inner
def meet(control, parts, meeting):
    """Wait until all threads of a step are here; meetings are numbered from 1.

    Returns:
        False if the step was given up.
    """
    if parts == 1:
        return True
    _arrive(control)
    looks = 0
    while _look(control, ARRIVED) < parts * meeting:
        if _look(control, ABORTED) != 0:
            return False
        looks += 1
        if looks > SPINS:
            _offer()
        else:
            _pause()
    return True
