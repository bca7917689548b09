"""Eight numbers at once in CPU kernels, for loops that are too short for the compiler to vectorise by itself.

`Lanes` is a value inside compiled kernels, made by `load` and `take` and handed back by `store`; it adds, subtracts and
multiplies with others and with numbers. LLVM makes of it what the processor has. Arrays are flat, and `pointers`.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

LANES = 8
# What to add to what so that eight lanes become one of their sums; in the halves of registers as long as that goes.
NEIGHBOURS = (0, 2, 8, 10, 4, 6, 12, 14), (1, 3, 9, 11, 5, 7, 13, 15)
FOLDS = NEIGHBOURS, NEIGHBOURS, ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))


class Lanes(types.Type):
    """Numba's name of eight numbers of one type."""

    def __init__(self, dtype: types.Float):
        self.dtype = dtype
        super().__init__(f"Lanes({dtype})")


@register_model(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind: Lanes):
        super().__init__(manager, kind, ir.VectorType(manager.lookup(kind.dtype).get_value_type(), LANES))


# ---- memory


@intrinsic
def pointers(typing, arrays):
    """Return where each array of a tuple begins, to be indexed like it.

    A call with arrays counts who holds them, which takes longer than small work on them. A pointer does not, nor does
    it keep its array: use it for arrays that the caller holds. An index is never counted from the end.
    """

    def lower(context, builder, kind, arguments):
        values = cgutils.unpack_tuple(builder, arguments[0])
        data = [context.make_array(x)(context, builder, value).data for x, value in zip(arrays, values, strict=True)]
        return context.make_tuple(builder, kind.return_type, data)

    return signature(types.Tuple([types.CPointer(x.dtype) for x in arrays]), arrays), lower


@intrinsic
def load(typing, x, start):
    """Return ``x[start : start + 8]``."""

    def lower(context, builder, kind, arguments):
        vector = context.get_value_type(kind.return_type)
        return builder.load(_vector_at(builder, *arguments, vector), align=x.dtype.bitwidth // 8)

    return signature(Lanes(x.dtype), x, types.intp), lower


@intrinsic
def store(typing, x, start, lanes):
    """Write ``x[start : start + 8]``."""

    def lower(context, builder, kind, arguments):
        x_, start, lanes = arguments
        builder.store(lanes, _vector_at(builder, x_, start, lanes.type), align=x.dtype.bitwidth // 8)

    return signature(types.void, x, types.intp, Lanes(x.dtype)), lower


def _vector_at(builder, pointer, start, vector):
    return builder.bitcast(builder.gep(pointer, [start]), vector.as_pointer())


@intrinsic
def take(typing, x, where, start, shift):
    """Return ``x[where[start : start + 8] + shift]``."""

    def lower(context, builder, kind, arguments):
        x, where, start, shift = arguments
        lanes = context.get_value_type(kind.return_type)(ir.Undefined)
        for i in range(LANES):
            at = builder.load(builder.gep(where, [builder.add(start, start.type(i))]))
            number = builder.load(builder.gep(x, [builder.add(at, shift)]))
            lanes = builder.insert_element(lanes, number, ir.IntType(32)(i))
        return lanes

    return signature(Lanes(x.dtype), x, where, types.intp, types.intp), lower


# ---- arithmetic


@intrinsic
def zeros(typing, x):
    """Return zeros of the type that a pointer leads to."""

    def lower(context, builder, kind, arguments):
        return context.get_value_type(kind.return_type)([0.0] * LANES)

    return signature(Lanes(x.dtype), x), lower


@intrinsic
def spread(typing, number):
    """Return a number eight times."""

    def lower(context, builder, kind, arguments):
        return _spread(builder, context.get_value_type(kind.return_type), arguments[0])

    return signature(Lanes(number), number), lower


def _spread(builder, vector, number):
    first = builder.insert_element(vector(ir.Undefined), number, ir.IntType(32)(0))
    return _shuffle(builder, first, first, [0] * LANES)


def _shuffle(builder, x, y, order):
    """Return eight of the sixteen numbers of x and y."""
    return builder.shuffle_vector(x, y, ir.VectorType(ir.IntType(32), LANES)(list(order)))


def _operator(sign, instruction: str) -> None:
    """Let a sign stand between lanes and lanes or a number, which takes their type."""

    @type_callable(sign)
    def type_of_sign(typing):
        return lambda x, y: next((kind for kind in (x, y) if isinstance(kind, Lanes)), None)

    def lower(context, builder, kind, arguments):
        pair = [_as_lanes(context, builder, kind.return_type, *x) for x in zip(kind.args, arguments, strict=True)]
        return getattr(builder, instruction)(*pair)

    for kinds in ((Lanes, Lanes), (Lanes, types.Number), (types.Number, Lanes)):
        lower_builtin(sign, *kinds)(lower)


def _as_lanes(context, builder, lanes: Lanes, kind, x):
    if isinstance(kind, Lanes):
        return x
    return _spread(builder, context.get_value_type(lanes), context.cast(builder, x, kind, lanes.dtype))


for _name, _instruction in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul")):
    _operator(getattr(operator, _name), _instruction)
    _operator(getattr(operator, f"i{_name}"), _instruction)


@intrinsic
def larger(typing, x, y):
    """Return the larger of each pair; none is NaN."""
    return signature(x, x, x), lambda context, builder, kind, pair: _select(builder, ">", *pair)


@intrinsic
def smaller(typing, x, y):
    """Return the smaller of each pair; none is NaN."""
    return signature(x, x, x), lambda context, builder, kind, pair: _select(builder, "<", *pair)


def _select(builder, comparison: str, x, y):
    return builder.select(builder.fcmp_ordered(comparison, x, y), x, y)


@intrinsic
def where_positive(typing, x, yes, no):
    """Return `yes` where x is above zero, else `no`."""

    def lower(context, builder, kind, arguments):
        x, yes, no = arguments
        return builder.select(builder.fcmp_ordered(">", x, x.type([0.0] * LANES)), yes, no)

    return signature(x, x, x, x), lower


@intrinsic
def power_of_two(typing, x):
    """Return ``2^k`` and k, the whole number below or at x, for ``2^k`` from the smallest normal number on."""

    def lower(context, builder, kind, arguments):
        vector, bits = arguments[0].type, kind.args[0].dtype.bitwidth
        mantissa, bias = (23, 127) if bits == 32 else (52, 1023)
        integers = ir.VectorType(ir.IntType(bits), LANES)
        floor = ir.FunctionType(vector, [vector])
        floor = cgutils.get_or_insert_function(builder.module, floor, f"llvm.floor.v{LANES}f{bits}")
        k = builder.call(floor, arguments)
        exponent = builder.add(builder.fptosi(k, integers), integers([bias] * LANES))
        power = builder.bitcast(builder.shl(exponent, integers([mantissa] * LANES)), vector)
        return context.make_tuple(builder, kind.return_type, (power, k))

    return signature(types.UniTuple(x, 2), x), lower


# ---- from eight to one


@intrinsic
def total(typing, x):
    """Return the sum of eight numbers."""

    def lower(context, builder, kind, arguments):
        return _fold(builder, arguments[0], builder.fadd)

    return signature(x.dtype, x), lower


@intrinsic
def peak(typing, x):
    """Return the largest of eight numbers; none is NaN."""

    def lower(context, builder, kind, arguments):
        return _fold(builder, arguments[0], lambda x, y: _select(builder, ">", x, y))

    return signature(x.dtype, x), lower


def _fold(builder, lanes, join):
    """Join the upper half with the lower one until one number is left."""
    for half in (4, 2, 1):
        upper = [half + i if i < half else 0 for i in range(LANES)]
        lanes = join(lanes, _shuffle(builder, lanes, lanes, upper))
    return builder.extract_element(lanes, ir.IntType(32)(0))


@intrinsic
def totals(typing, lanes):
    """Return the sums of a tuple of eight lanes: in fewer steps than eight times `total`."""

    def lower(context, builder, kind, arguments):
        rows = cgutils.unpack_tuple(builder, arguments[0])
        for one, other in FOLDS:
            pairs = zip(rows[::2], rows[1::2], strict=True)
            rows = [builder.fadd(_shuffle(builder, *pair, one), _shuffle(builder, *pair, other)) for pair in pairs]
        return rows[0]

    return signature(lanes.dtype, lanes), lower
