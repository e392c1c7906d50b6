"""Vector registers for Numba: sixteen float32 values, the lanes, at a time; eight with AVX2.

Plain Numba loops keep their sums in memory, which makes convolutions ten times slower. `Lanes` is
a type of one register, and the functions below are single instructions on it, or few; a tuple of
them stays in registers. Arrays are flat float32; where an index counts vectors, vector i is the
values from LANES · i on.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, models, register_model

from lenet.kernels.support import register_lanes

LANES = register_lanes() or 8
"""Images in a register."""

VECTOR = ir.VectorType(ir.FloatType(), LANES)
INDEX = ir.IntType(32)
FUSED = ("contract", "nsz")
"""Let a product and a sum become one instruction, which rounds once."""

OPTIONS = {"nogil": True, "error_model": "numpy"}

SOURCES = hashlib.sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()
"""Fingerprint of this package, for Numba's cache looks at the file of the outermost function only.

That function has it in its closure, which is part of the key of the cache.
"""


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that only compiled functions call, once for each combination of types.

    Numba would do so anew for each constant among the arguments.
    """
    compiled = njit(no_cpython_wrapper=True, **OPTIONS)(function)
    resolve = compiled.get_call_template

    def resolve_types(arguments: Any, keywords: Any) -> Any:
        return resolve(tuple(types.unliteral(kind) for kind in arguments), keywords)

    compiled.get_call_template = resolve_types
    return compiled  # type: ignore[no-any-return]


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that Python calls, and keep it for the next process.

    Numba keeps it in ``NUMBA_CACHE_DIR``, beside the package, or in the user's cache folder.
    """
    try:
        return njit(cache=True, **OPTIONS)(function)  # type: ignore[no-any-return]
    except RuntimeError:  # no folder can be written
        return njit(**OPTIONS)(function)  # type: ignore[no-any-return]


class Lanes(types.Type):  # type: ignore[misc]
    """The type of a register in compiled functions."""

    def __init__(self) -> None:
        super().__init__("Lanes")


lanes = Lanes()


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """How LLVM sees a register."""

    def __init__(self, manager, kind):
        super().__init__(manager, kind, VECTOR)


def _address(context, builder, kind, array, index, scale=1):
    """Return the address of an array's value number index · scale."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.gep(data, [builder.mul(index, ir.Constant(index.type, scale))])


def _as_vector(builder, address):
    return builder.bitcast(address, VECTOR.as_pointer())


def _spread(builder, value):
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(INDEX, 0))
    return builder.shuffle_vector(
        first, undefined, ir.Constant(ir.VectorType(INDEX, LANES), [0] * LANES)
    )


def _constant(value):
    return ir.Constant(VECTOR, [value] * LANES)


@intrinsic
def load(typing, array, i):
    """Vector i of an array."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], arguments[0], arguments[1], LANES)
        return builder.load(_as_vector(builder, address), align=4)

    return lanes(array, types.intp), generate


@intrinsic
def read(typing, array, i):
    """The values of an array from value i on."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        return builder.load(_as_vector(builder, address), align=4)

    return lanes(array, types.intp), generate


@intrinsic
def write(typing, array, i, vector):
    """Make a vector the values of an array from value i on."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], _as_vector(builder, address), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic(prefer_literal=True)
def load_many(typing, array, i, step, n):
    """n vectors of an array: vector i, i + step, …"""
    count = n.literal_value

    def generate(context, builder, signature, arguments):
        array, i, step, _ = arguments
        address = _address(context, builder, signature.args[0], array, i, LANES)
        stride = builder.mul(step, ir.Constant(step.type, LANES))
        vectors = []
        for _ in range(count):
            vectors.append(builder.load(_as_vector(builder, address), align=4))
            address = builder.gep(address, [stride])
        return context.make_tuple(builder, signature.return_type, vectors)

    return types.UniTuple(lanes, count)(array, types.intp, types.intp, n), generate


@intrinsic
def store(typing, array, i, vector):
    """Make a vector vector i of an array."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], arguments[0], arguments[1], LANES)
        builder.store(arguments[2], _as_vector(builder, address), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), generate


@intrinsic
def store_many(typing, array, i, vectors):
    """Store a tuple of vectors one after another, from vector i on."""

    def generate(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], arguments[0], arguments[1], LANES)
        for k in range(vectors.count):
            place = builder.gep(address, [ir.Constant(ir.IntType(64), LANES * k)])
            vector = builder.extract_value(arguments[2], k)
            builder.store(vector, _as_vector(builder, place), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vectors), generate


@intrinsic(prefer_literal=True)
def store_rows(typing, array, i, step, vectors, n):
    """Store a tuple of vectors in rows of n, which begin at vector i, i + step, …"""
    across = n.literal_value

    def generate(context, builder, signature, arguments):
        array, i, step, vectors, _ = arguments
        address = _address(context, builder, signature.args[0], array, i, LANES)
        stride = builder.mul(step, ir.Constant(step.type, LANES))
        for k in range(signature.args[3].count):
            if k and k % across == 0:
                address = builder.gep(address, [stride])
            place = builder.gep(address, [ir.Constant(ir.IntType(64), LANES * (k % across))])
            vector = builder.extract_value(vectors, k)
            builder.store(vector, _as_vector(builder, place), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, vectors, n), generate


@intrinsic
def spread(typing, value):
    """A float32 in all lanes."""

    def generate(context, builder, signature, arguments):
        return _spread(builder, arguments[0])

    return lanes(types.float32), generate


@intrinsic(prefer_literal=True)
def spread_many(typing, array, i, step, n):
    """n values of an array, value i, i + step, …, each in all lanes of a vector."""
    count = n.literal_value

    def generate(context, builder, signature, arguments):
        array, i, step, _ = arguments
        address = _address(context, builder, signature.args[0], array, i)
        vectors = []
        for _ in range(count):
            vectors.append(_spread(builder, builder.load(address)))
            address = builder.gep(address, [step])
        return context.make_tuple(builder, signature.return_type, vectors)

    return types.UniTuple(lanes, count)(array, types.intp, types.intp, n), generate


@inner
def fill(array, start, stop, value):
    """Make values of an array equal; slices that are assigned to take far longer to compile."""
    for i in range(start, stop):
        array[i] = value


@intrinsic(prefer_literal=True)
def zeros(typing, n):
    """A tuple of n vectors of zeros."""
    count = n.literal_value

    def generate(context, builder, signature, arguments):
        return context.make_tuple(builder, signature.return_type, [_constant(0.0)] * count)

    return types.UniTuple(lanes, count)(n), generate


@intrinsic
def add_outer(typing, sums, a, b):
    """sums[i, j] + a[i] · b[j], all of them in registers: the core of every layer."""

    def generate(context, builder, signature, arguments):
        out = []
        for i in range(a.count):
            left = builder.extract_value(arguments[1], i)
            for j in range(b.count):
                product = builder.fmul(left, builder.extract_value(arguments[2], j), flags=FUSED)
                before = builder.extract_value(arguments[0], i * b.count + j)
                out.append(builder.fadd(before, product, flags=FUSED))
        return context.make_tuple(builder, signature.return_type, out)

    return sums(sums, a, b), generate


@intrinsic(prefer_literal=True)
def add_taps(typing, sums, array, i, weight, j, tile, across, taps):
    """Add the products of a row of taps to sums[m, q], for `tile` channels and `across` positions.

    Position q at tap x is vector i + x + q of an array, the weight of channel m there value
    j + x · tile + m.
    """
    outputs, positions, width = (n.literal_value for n in (tile, across, taps))

    def generate(context, builder, signature, arguments):
        sums, array, i, weight, j, *_ = arguments
        n = outputs * positions
        out = [builder.extract_value(sums, k) for k in range(n)]
        inputs = _address(context, builder, signature.args[1], array, i, LANES)
        weights = _address(context, builder, signature.args[3], weight, j)
        # A vector is loaded anew for each tap, else those that wait for the next one push sums out
        # of the registers. LLVM does not know that the address stays what it is.
        pointer = ir.FunctionType(inputs.type, [inputs.type])
        same = ir.InlineAsm(pointer, "", "=r,0")
        for x in range(width):
            inputs = builder.call(same, [inputs])
            factors = []
            for m in range(outputs):
                place = builder.gep(weights, [ir.Constant(ir.IntType(64), x * outputs + m)])
                factors.append(_spread(builder, builder.load(place)))
            for q in range(positions):
                place = builder.gep(inputs, [ir.Constant(ir.IntType(64), LANES * q)])
                value = builder.load(_as_vector(builder, place), align=4)
                for m in range(outputs):
                    product = builder.fmul(factors[m], value, flags=FUSED)
                    k = m * positions + q
                    out[k] = builder.fadd(out[k], product, flags=FUSED)
            inputs = builder.gep(inputs, [ir.Constant(ir.IntType(64), LANES)])
        return context.make_tuple(builder, signature.return_type, out)

    integer = types.intp
    return sums(sums, array, integer, weight, integer, tile, across, taps), generate


@intrinsic
def add(typing, a, b):
    """a + b"""
    return lanes(a, b), lambda context, builder, signature, arguments: builder.fadd(*arguments)


@intrinsic
def multiply(typing, a, b):
    """a · b"""
    return lanes(a, b), lambda context, builder, signature, arguments: builder.fmul(*arguments)


@intrinsic
def divide(typing, a, b):
    """a / b"""
    return lanes(a, b), lambda context, builder, signature, arguments: builder.fdiv(*arguments)


@intrinsic
def multiply_add(typing, a, b, c):
    """a · b + c"""

    def generate(context, builder, signature, arguments):
        product = builder.fmul(*arguments[:2], flags=FUSED)
        return builder.fadd(product, arguments[2], flags=FUSED)

    return lanes(a, b, c), generate


@intrinsic
def relu(typing, a):
    """a where it is above zero or NaN, else 0."""

    def generate(context, builder, signature, arguments):
        below = builder.fcmp_ordered("<=", arguments[0], _constant(0.0))
        return builder.select(below, _constant(0.0), arguments[0])

    return lanes(a), generate


@intrinsic
def where_positive(typing, state, a, b):
    """a where a state is above zero or NaN, else b."""

    def generate(context, builder, signature, arguments):
        below = builder.fcmp_ordered("<=", arguments[0], _constant(0.0))
        return builder.select(below, arguments[2], arguments[1])

    return lanes(state, a, b), generate


@intrinsic
def where_equal(typing, a, b, c):
    """c where a = b, else 0."""

    def generate(context, builder, signature, arguments):
        same = builder.fcmp_ordered("==", *arguments[:2])
        return builder.select(same, arguments[2], _constant(0.0))

    return lanes(a, b, c), generate


@intrinsic
def wins(typing, candidate, best, a, b):
    """a where a candidate is larger than the best so far, or NaN; else b. The first NaN stays."""

    def generate(context, builder, signature, arguments):
        candidate, best, a, b = arguments
        larger = builder.fcmp_ordered(">", candidate, best)
        # A NaN is taken again from a later one, which makes no difference to the maximum.
        nan = builder.fcmp_unordered("uno", candidate, candidate)
        return builder.select(builder.or_(larger, nan), a, b)

    return lanes(candidate, best, a, b), generate


@intrinsic
def total(typing, a):
    """The sum of all lanes, float32, always in the same order."""

    def generate(context, builder, signature, arguments):
        vector, width = arguments[0], LANES
        while width > 1:
            width //= 2
            undefined = ir.Constant(vector.type, ir.Undefined)
            halves = [
                builder.shuffle_vector(
                    vector,
                    undefined,
                    ir.Constant(ir.VectorType(INDEX, width), list(range(start, start + width))),
                )
                for start in (0, width)
            ]
            vector = builder.fadd(*halves)
        return builder.extract_element(vector, ir.Constant(INDEX, 0))

    return types.float32(a), generate


@intrinsic
def transpose(typing, array, i, step, out, o, out_step):
    """Write a square of as many rows as lanes, at value i, i + step, …, as columns of out.

    Column k becomes vector o + k · out_step of out.
    """

    def generate(context, builder, signature, arguments):
        array, i, step, out, o, out_step = arguments
        address = _address(context, builder, signature.args[0], array, i)
        rows = []
        for _ in range(LANES):
            rows.append(builder.load(_as_vector(builder, address), align=4))
            address = builder.gep(address, [step])
        half = 1
        while half < LANES:  # exchange the off-diagonal quarters of ever larger squares
            low = [k if not k & half else k - half + LANES for k in range(LANES)]
            high = [k + half if not k & half else k + LANES for k in range(LANES)]
            masks = [ir.Constant(ir.VectorType(INDEX, LANES), m) for m in (low, high)]
            for k in range(LANES):
                if not k & half:
                    a, b = rows[k], rows[k + half]
                    rows[k], rows[k + half] = (builder.shuffle_vector(a, b, m) for m in masks)
            half *= 2
        address = _address(context, builder, signature.args[3], out, o, LANES)
        stride = builder.mul(out_step, ir.Constant(out_step.type, LANES))
        for row in rows:
            builder.store(row, _as_vector(builder, address), align=4)
            address = builder.gep(address, [stride])
        return context.get_dummy_value()

    integer = types.intp
    return types.void(array, integer, integer, out, integer, integer), generate


@intrinsic
def interpolate(typing, array, i, width, x, y, most_x, most_y):
    """Interpolate bilinearly at (x, y) in an image of `width`, its first pixel value i of an array.

    Places are moved into [0, most_x] × [0, most_y], NaN to 0; the image has pixels on all sides of
    them.
    """

    def generate(context, builder, signature, arguments):
        array, start, width, x, y, most_x, most_y = arguments
        whole, share = [], []
        for place, most in ((x, most_x), (y, most_y)):
            inside = builder.fcmp_ordered(">", place, _constant(0.0))
            place = builder.select(inside, place, _constant(0.0))
            most = _spread(builder, most)
            place = builder.select(builder.fcmp_ordered("<", place, most), place, most)
            whole.append(builder.fptosi(place, ir.VectorType(INDEX, LANES)))
            share.append(builder.fsub(place, builder.sitofp(whole[-1], VECTOR)))
        width32 = builder.trunc(width, INDEX)
        row = ir.Constant(ir.VectorType(INDEX, LANES), ir.Undefined)
        row = builder.insert_element(row, width32, ir.Constant(INDEX, 0))
        zeros = ir.Constant(ir.VectorType(INDEX, LANES), [0] * LANES)
        row = builder.shuffle_vector(row, row, zeros)
        places = builder.add(builder.mul(whole[1], row), whole[0])
        upper, lower = [], []  # a pixel and the one to its right at once, of two rows
        pair = ir.VectorType(ir.FloatType(), 2).as_pointer()
        first = _address(context, builder, signature.args[0], array, start)
        for lane in range(LANES):
            place = builder.extract_element(places, ir.Constant(INDEX, lane))
            address = builder.gep(first, [builder.zext(place, width.type)])
            upper.append(builder.load(builder.bitcast(address, pair), align=4))
            address = builder.gep(address, [width])
            lower.append(builder.load(builder.bitcast(address, pair), align=4))
        corners = []
        for pairs in (upper, lower):
            while len(pairs) > 1:
                n = 2 * pairs[0].type.count
                every = ir.Constant(ir.VectorType(INDEX, n), list(range(n)))
                pairs = [
                    builder.shuffle_vector(a, b, every)
                    for a, b in zip(pairs[::2], pairs[1::2], strict=True)
                ]
            undefined = ir.Constant(pairs[0].type, ir.Undefined)
            for side in range(2):
                mask = ir.Constant(ir.VectorType(INDEX, LANES), list(range(side, 2 * LANES, 2)))
                corners.append(builder.shuffle_vector(pairs[0], undefined, mask))

        def between(a, b, share):
            step = builder.fmul(builder.fsub(b, a), share, flags=FUSED)
            return builder.fadd(a, step, flags=FUSED)

        left = between(corners[0], corners[2], share[1])
        right = between(corners[1], corners[3], share[1])
        return between(left, right, share[0])

    integer, number = types.intp, types.float32
    return lanes(array, integer, integer, lanes, lanes, number, number), generate
