"""Modules in shapes that have cost compilers more than their size. Each function gives back a valid
binary module of about `size` bytes; doubling the size doubles what the shape is about."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "cli"))
import wasm  # noqa: E402  (the sibling's pieces of binary modules)
from wasm import leb  # noqa: E402

I32, I64 = b"\x7f", b"\x7e"
BLOCK, LOOP, IF, ELSE, END = b"\x02\x40", b"\x03\x40", b"\x04\x40", b"\x05", b"\x0b"
BR, BR_IF, BR_TABLE, CALL = b"\x0c", b"\x0d", b"\x0e", b"\x10"
ADD, DIV, DROP, SELECT, RETURN, UNREACHABLE = b"\x6a", b"\x6d", b"\x1a", b"\x1b", b"\x0f", b"\0"
MAX_BODY, MAX_BR_TABLE, MAX_LOCALS = 7654321, 65520, 50000

SHAPES = {}
CLASSIC = set()


def shape(function):
    SHAPES[function.__name__] = function
    return function


def classic(function):
    """A shape on which some engine has been seen to take seconds or gigabytes."""
    CLASSIC.add(function.__name__)
    return shape(function)


def sleb(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def get(local):
    return b"\x20" + leb(local)


def put(local):
    return b"\x21" + leb(local)


def const(value):
    return b"\x41" + sleb(value)


def func_type(params, results):
    return b"\x60" + wasm.vec(*params) + wasm.vec(*results)


def module(bodies, types=(), type_of=lambda i: 0, middle=b"", tail=b""):
    """A module of functions; `middle`: sections between FUNC and CODE, `tail`: those after."""
    types = types or (func_type([I32], []),)
    return (wasm.HEAD + wasm.section(wasm.TYPE, wasm.vec(*types)) +
            wasm.section(wasm.FUNC, wasm.vec(*(leb(type_of(i)) for i in range(len(bodies))))) +
            middle + wasm.section(wasm.CODE, wasm.vec(*bodies)) + tail)


def one(code, locals_i32=0, **more):
    """A module of one function (i32) -> () with further i32 locals."""
    groups = wasm.vec(leb(locals_i32) + I32) if locals_i32 else b"\0"
    return module([wasm.body(code + END, groups)], **more)


def repeated(size, piece):
    """As many as fit: piece(i) for i = 0, 1, ..."""
    out, total, i = [], 0, 0
    while total < size:
        part = piece(i)
        out.append(part)
        total += len(part)
        i += 1
    return out


# ---- Control -------------------------------------------------------------------------------------

@classic
def nested_blocks(size):
    count = size // 3
    return one(BLOCK * count + END * count)


@shape
def nested_loops(size):
    count = size // 3
    return one(LOOP * count + END * count)


@classic
def nested_loops_with_live_locals(size):
    """Each loop reads and writes a local of its own that lives around all the others."""
    count = min(size // 18, MAX_LOCALS - 1)
    head = b"".join(LOOP + get(i + 1) + const(1) + ADD + put(i + 1) for i in range(count))
    tail = b"".join(get(i + 1) + BR_IF + b"\0" + END for i in reversed(range(count)))
    return one(head + tail, count)


@shape
def nested_ifs(size):
    count = size // 7
    return one((get(0) + IF) * count + (ELSE + END) * count)


@classic
def nested_typed_ifs(size):
    count = size // 11
    head = (get(0) + b"\x04\x7f") * count  # if (result i32)
    return one(head + const(1) + (ELSE + const(2) + END) * count + DROP)


@classic
def flat_blocks(size):
    return one(b"".join(repeated(size, lambda i: BLOCK + get(0) + const(i % 64) + ADD + put(0) +
                                 END)))


@classic
def empty_loops(size):
    return one((LOOP + END) * (size // 3))


@shape
def branches_to_the_end(size):
    """All branches are open until the function ends."""
    return one(BLOCK + (get(0) + BR_IF + b"\0") * (size // 4) + END)


@shape
def branches_back(size):
    return one(LOOP + (get(0) + BR_IF + b"\0") * (size // 4) + END)


@shape
def branches_out_of_nested_blocks(size):
    """A branch from the innermost block to every block around it."""
    count = size // 9
    branches = b"".join(get(0) + BR_IF + leb(i) for i in range(count))
    return one(BLOCK * count + branches + END * count)


@classic
def wide_br_table(size):
    count = min(size // 2, MAX_BR_TABLE)
    table = get(0) + BR_TABLE + leb(count) + b"\0\1" * (count // 2) + b"\0" * (count % 2) + b"\1"
    return one(BLOCK + BLOCK + table * max(1, size // (count + 4)) + END + END)


@shape
def br_tables_to_many_blocks(size):
    """Every table names a thousand blocks."""
    depth = 1000
    table = get(0) + BR_TABLE + leb(depth) + b"".join(leb(i) for i in range(depth)) + b"\0"
    step = BLOCK * (depth + 1) + table + END * (depth + 1)
    return one(step * max(1, size // len(step)))


@classic
def unreachable_code(size):
    return one(UNREACHABLE + (BLOCK + get(0) + BR_IF + b"\0" + END) * (size // 8))


@shape
def dead_operands(size):
    """Unreachable code that pops what nobody pushed."""
    return one(BR + b"\0" + (ADD + ADD + DROP) * (size // 3))


@shape
def returns(size):
    return one((get(0) + IF + RETURN + END) * (size // 6))


# ---- Values --------------------------------------------------------------------------------------

@shape
def deep_stack(size):
    count = size // 3
    return one(get(0) * count + ADD * (count - 1) + DROP)


@shape
def deep_stack_with_branches(size):
    """Every branch could make all the operands below it move."""
    count = size // 7
    return one(BLOCK + get(0) * count + (get(0) + BR_IF + b"\0") * count + DROP * count + END)


@shape
def deep_stack_in_blocks(size):
    """Every block opens above all that was pushed before."""
    count = size // 6
    return one((get(0) + BLOCK) * count + (END + DROP) * count)


@shape
def deep_stack_of_a_changed_local(size):
    """The operands are a local's old values, and it is written again and again."""
    count = size // 10
    return one(get(0) * count + (get(0) + const(1) + ADD + put(0)) * count + DROP * count)


@shape
def blocks_with_parameters_and_results(size):
    many = [I32] * 100
    step = b"\x02\1" + END
    code = get(0) * 100 + step * (size // len(step)) + DROP * 100
    return module([wasm.body(code + END)], (func_type([I32], []), func_type(many, many)))


@shape
def wide_ifs(size):
    many = [I32] * 50
    step = const(1) + b"\x04\1\x05" + END
    code = get(0) * 50 + step * (size // len(step)) + DROP * 50
    return module([wasm.body(code + END)], (func_type([I32], []), func_type(many, many)))


@shape
def branches_at_wide_ends(size):
    """A block in a block, and at the end of each a branch with a hundred values."""
    many = [I32] * 100
    step = const(0) + BR_IF + b"\0" + END
    count = size // (len(step) + 2)
    code = get(0) * 100 + b"\x02\1" * count + step * count + DROP * 100
    return module([wasm.body(code + END)], (func_type([I32], []), func_type(many, many)))


@shape
def branches_with_results(size):
    """Each branch carries a hundred values over others that stay below."""
    many = [I32] * 100
    step = get(0) + BR_IF + b"\0"
    code = (b"\x02\1" + get(0) * 300 + step * (size // len(step)) + BR + b"\0" + END + DROP * 100)
    return module([wasm.body(code + END)], (func_type([I32], []), func_type([], many)))


@shape
def many_locals_and_blocks(size):
    """Fifty thousand locals, each written between joins."""
    count = MAX_LOCALS - 1
    return one(b"".join(repeated(size, lambda i: get(0) + IF + const(5) +
                                 put(1 + i % count) + END)), count)


@shape
def many_locals_in_loops(size):
    """Loops that each write other locals than the last one."""
    count = MAX_LOCALS - 1

    def loop(i):
        inside = b"".join(get(1 + (8 * i + n) % count) + const(1) + ADD +
                          put(1 + (8 * i + n) % count) for n in range(8))
        return LOOP + inside + get(0) + BR_IF + b"\0" + END
    return one(b"".join(repeated(size, loop)), count)


@shape
def divisions(size):
    """Two trap tails each."""
    return one(const(1) + (get(0) + DIV) * (size // 3) + DROP)


@shape
def selects(size):
    return one(get(0) + (get(0) + get(0) + SELECT) * (size // 5) + DROP)


@shape
def float_truncations(size):
    """The longest sequence for one opcode: a saturating u64 conversion."""
    step = b"\x43\0\0\x80\x3f" + b"\xfc\5" + DROP
    return one(step * (size // len(step)))


@shape
def conversion_chain(size):
    """Two bytes back and forth between the register classes, and a trap each time."""
    return one(get(0) + b"\xb2\xa8" * (size // 2) + DROP)  # f32.convert_i32_s, i32.trunc_f32_s


# ---- Functions and sections ----------------------------------------------------------------------

@classic
def tiny_functions(size):
    return module([wasm.body(get(0) + DROP + END)] * (size // 7))


@shape
def direct_calls(size):
    return one((get(0) + CALL + b"\0") * (size // 4))


@shape
def mutual_calls(size):
    count = size // 9
    bodies = [wasm.body(get(0) + CALL + leb((i * 7919 + 1) % count) + END) for i in range(count)]
    return module(bodies)


@shape
def wide_calls(size):
    """A thousand parameters and results."""
    many = [I32] * 1000
    step = const(0) * 1000 + CALL + b"\1" + DROP * 1000
    caller = wasm.body(step * max(1, size // len(step)) + END)
    callee = wasm.body(b"".join(get(i) for i in range(1000)) + END)
    return module([caller, callee], (func_type([I32], []), func_type(many, many)), lambda i: i)


@shape
def indirect_calls(size):
    table = wasm.section(wasm.TABLE, wasm.vec(b"\x70\0\x0a"))
    elem = wasm.section(wasm.ELEM, wasm.vec(b"\0" + const(0) + END + wasm.vec(b"\0")))
    return one((get(0) + get(0) + b"\x11\0\0") * (size // 7), middle=table + elem)


@shape
def memory_accesses(size):
    memory = wasm.section(wasm.MEMORY, wasm.vec(b"\0\1"))
    step = get(0) + get(0) + b"\x28\2" + leb(60000000) + b"\x36\2\x08"  # far offsets
    return one(step * (size // len(step)), middle=memory)


@shape
def references_below_calls(size):
    """Many calls with many references in operands below, each other one a number."""
    count = size // 10
    code = (get(0) + const(1)) * count + (get(0) + CALL + b"\0") * count + (DROP + DROP) * count
    return module([wasm.body(code + END)], (func_type([b"\x6f"], []),))


@shape
def references_that_die(size):
    """As many locals that hold references, one less at each call."""
    count = min(size // 10, MAX_LOCALS - 1)
    code = b"".join([get(0) + put(i + 1) for i in range(count)] +
                    [get(i * 7919 % count + 1) + CALL + b"\0" for i in range(count)])
    return module([wasm.body(code + END, wasm.vec(leb(count) + b"\x6f"))],
                  (func_type([b"\x6f"], []),))


@shape
def many_types(size):
    kinds = [I32, I64, b"\x7d", b"\x7c"]

    def numbered(i):
        return func_type([kinds[i >> 2 * n & 3] for n in range(9)], [I32])
    types = [func_type([I32], [])] + [numbered(i) for i in range(size // 13)]
    return module([wasm.body(END)], types)


@shape
def many_globals_and_exports(size):
    count = size // 16
    globals_ = wasm.section(wasm.GLOBAL, leb(count) + (I32 + b"\1" + const(7) + END) * count)
    exports = wasm.section(wasm.EXPORT, leb(count) + b"".join(
        wasm.name(f"g{i:06x}") + b"\3" + leb(i) for i in range(count)))
    return one(b"", middle=globals_ + exports)


@shape
def many_imports(size):
    count = size // 14
    imports = wasm.section(wasm.IMPORT, leb(count) + b"".join(
        wasm.name("m") + wasm.name(f"f{i:06x}") + b"\0\0" for i in range(count)))
    return (wasm.HEAD + wasm.section(wasm.TYPE, wasm.vec(func_type([I32], []))) + imports +
            wasm.section(wasm.FUNC, wasm.vec(b"\0")) +
            wasm.section(wasm.CODE, wasm.vec(wasm.body(END))))


@shape
def many_data_segments(size):
    count = min(size // 8, 99999)
    fill = b"x" * max(1, size // count - 7)
    memory = wasm.section(wasm.MEMORY, wasm.vec(b"\0\1"))
    segment = b"\0" + const(8) + END + leb(len(fill)) + fill
    return one(b"", middle=memory, tail=wasm.section(wasm.DATA, leb(count) + segment * count))


@shape
def elements(size):
    """One segment of as many references as fit."""
    return one(b"", middle=wasm.section(wasm.ELEM, wasm.vec(b"\1\0" + leb(size) + bytes(size))))


@shape
def element_segments(size):
    """Segments of a table that the image holds, overwriting each other."""
    count = size // 8
    table = wasm.section(wasm.TABLE, wasm.vec(b"\x70\0" + leb(1000)))
    elem = wasm.section(wasm.ELEM, leb(count) + b"".join(
        b"\0" + const(i % 998) + END + wasm.vec(b"\0", b"\0") for i in range(count)))
    return one(b"", middle=table + elem)


@shape
def long_names(size):
    """A name section that is the module."""
    names = leb(1) + leb(0) + wasm.name("n" * size)
    custom = wasm.name("name") + b"\1" + leb(len(names)) + names
    return one(b"", tail=wasm.section(0, custom))


@shape
def straight_code(size):
    """Nothing special: what the other shapes are to be compared with."""
    return one(b"".join(repeated(size, lambda i: get(i % 8) + get((i + 3) % 8) + ADD +
                                 put((i + 5) % 8))), 8)
