"""Unwind information of an image for Windows against its code.

llvm-readobj decodes .pdata and .xdata, llvm-objdump the code. The code is followed from the entry
of each function on, with what is known of the stack relative to the caller's stack pointer; at each
instruction the rules of Windows' unwinder ("x64 exception handling", Microsoft) are applied to it,
which must find the return address and the caller's registers.
"""
import re
import subprocess

RUNTIME_FUNCTION = re.compile(r"StartAddress: .*?\(0x([0-9A-F]+)\)\s+EndAddress: .*?"
                              r"\(0x([0-9A-F]+)\)(.*?)\n  }", re.S)
CODE = re.compile(r"0x([0-9A-F]+): (\w+) (?:reg=(\w+))?(?:, )?(?:(?:size|offset)=(\w+))?")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+): ((?:[0-9a-f]{2} )+)\s*(\S+)\s*(.*)$")
FRAME_ACCESS = re.compile(r"\[(rsp|rbp)(?: ([+-]) (0x[0-9a-f]+|\d+))?\]$")
NAMES = {"rsp": "rsp esp sp spl", "rbp": "rbp ebp bp bpl", "rbx": "rbx ebx bx bl bh",
         "r12": "r12 r12d r12w r12b"}
KEPT = {alias: reg for reg, aliases in NAMES.items() for alias in aliases.split()}
READS_ONLY = {"cmp", "test", "push", "call", "jmp", "bt", "ucomiss", "ucomisd"}
NUMBERS = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] + [f"r{i}" for i in range(8, 16)]


class Wrong(Exception):
    pass


class Function:
    def __init__(self, start, end, text):
        self.start, self.end = int(start, 16), int(end, 16)
        self.prologue = int(re.search(r"PrologSize: (\d+)", text).group(1))
        frame = re.search(r"FrameRegister: (\S+)", text).group(1)
        self.frame = None if frame == "-" else frame.lower()
        offset = re.search(r"FrameOffset: (\S+)", text).group(1)
        self.frame_offset = 0 if offset == "-" else int(offset, 16) * 16
        self.codes = [(int(at, 16), op, (reg or "").lower(), int(value or "0", 0))
                      for at, op, reg, value in CODE.findall(text.split("UnwindCodes [")[-1])]
        if "Version: 1\n" not in text or "Flags [ (0x0)" not in text:
            raise Wrong("not of version 1, or with a handler")
        self.instructions = []  # (address, bytes, name, operands)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def read_functions(image, readobj, objdump):
    functions = [Function(*found) for found in
                 RUNTIME_FUNCTION.findall(run(readobj, "--unwind", image))]
    listing = run(objdump, "-d", "--x86-asm-syntax=intel", "--no-print-imm-hex", image)
    rest = iter(functions)
    function = next(rest, None)
    for line in listing.splitlines():
        found = INSTRUCTION.match(line)
        if not found:
            continue
        address = int(found.group(1), 16)
        while function and address >= function.end:
            function = next(rest, None)
        if function and address >= function.start:
            function.instructions.append((address, bytes.fromhex(found.group(2)), found.group(3),
                                          found.group(4).split(" #")[0].strip()))
    return functions


class State:
    """Places count from the caller's stack pointer behind the call: the return address is at -8.
    A register is its caller's ("kept"), a place, or None: not known."""

    def __init__(self):
        self.regs = {"rsp": -8, "rbp": "kept", "rbx": "kept", "r12": "kept"}
        self.slots = {-8: "return"}  # what of the caller's is saved where

    def load(self, at):
        return self.slots.get(at)

    def place(self, operand):
        found = FRAME_ACCESS.search(operand)
        base = found and self.regs[found.group(1)]
        if not isinstance(base, int):
            return None
        distance = int(found.group(3) or "0", 0)
        return base - distance if found.group(2) == "-" else base + distance

    def move_sp(self, by):
        self.regs["rsp"] = self.regs["rsp"] + by if self.regs["rsp"] is not None else None

    def step(self, name, operands):
        parts = [part.strip() for part in operands.split(", ")]
        to = KEPT.get(parts[0])
        if name == "push":
            self.move_sp(-8)
            if self.regs.get(parts[0]) == "kept" and self.regs["rsp"] is not None:
                self.slots[self.regs["rsp"]] = parts[0]
        elif name == "leave":
            frame = self.regs["rbp"]
            self.regs["rbp"] = "kept" if self.load(frame) == "rbp" else None
            self.regs["rsp"] = frame + 8
        elif name == "call":
            self.regs["rsp"] = None  # who is called may pop
        elif name == "mov" and parts[0] == "rbp" and parts[1] == "rsp":
            self.regs["rbp"] = self.regs["rsp"]
        elif name == "sub" and parts[0] == "rsp":
            self.move_sp(-int(parts[1], 0))
        elif name == "lea" and parts[0] == "rsp":
            self.regs["rsp"] = self.place(parts[1])
        elif name == "mov" and to in ("rbx", "r12") and self.place(parts[1]) is not None:
            self.regs[to] = "kept" if self.load(self.place(parts[1])) == to else None
        elif to and name not in READS_ONLY:
            self.regs[to] = None
        if name == "xchg" and KEPT.get(parts[-1]):
            self.regs[KEPT[parts[-1]]] = None

    def behind_return(self):
        """What comes next in the text is jumped to from the body."""
        saved = set(self.slots.values())
        self.regs = {reg: None if reg in saved else "kept" for reg in self.regs}
        frame = [at for at, reg in self.slots.items() if reg == "rbp"]
        self.regs["rbp"] = frame[0] if frame else "kept"
        self.regs["rsp"] = None if frame else -8


def epilogue(function, code, address):
    """What is left of an epilogue at the address: [(register popped or None, bytes)], or None."""
    at = address - function.start
    done = []
    if code[at:at + 3] in (b"\x48\x83\xc4", b"\x48\x81\xc4"):
        raise Wrong("add rsp is not expected")
    while True:
        if code[at] & 0xF8 == 0x58:
            done.append(NUMBERS[code[at] & 7])
            at += 1
        elif code[at] & 0xF0 == 0x40 and code[at + 1] & 0xF8 == 0x58:
            done.append(NUMBERS[(code[at] & 1) * 8 + (code[at + 1] & 7)])
            at += 2
        else:
            break
    jump = {0xEB: 2, 0xE9: 5}.get(code[at])
    if code[at] in (0xC2, 0xC3) or code[at:at + 2] == b"\xf3\xc3":
        return done
    if jump:
        target = at + jump + int.from_bytes(code[at + 1:at + jump], "little", signed=True)
        return done if not 0 < target < len(code) else None
    is_far = code[at:at + 2] == b"\xff\x25" or (
        code[at] & 0xF8 == 0x48 and code[at + 1] == 0xFF and code[at + 2] & 0x38 == 0x20)
    return done if is_far else None


def unwind(function, code, address, state):
    """The caller's registers as Windows finds them."""
    regs, offset = dict(state.regs), address - function.start
    rest = epilogue(function, code, address)
    if rest is not None:
        codes = [(0, "PUSH_NONVOL", reg, 0) for reg in rest]
    else:
        codes = [row for row in function.codes if row[0] <= offset]
    base = regs["rsp"]
    if rest is None and any(op == "SET_FPREG" for _, op, _, _ in codes):
        base = regs[function.frame] - function.frame_offset
    for _, op, reg, value in codes:
        if op == "PUSH_NONVOL":
            regs[reg] = "kept" if state.load(regs["rsp"]) == reg else None
            regs["rsp"] += 8
        elif op == "ALLOC_SMALL":
            regs["rsp"] += value
        elif op == "SET_FPREG":
            regs["rsp"] = base
        elif op == "SAVE_NONVOL":
            regs[reg] = "kept" if state.load(base + value) == reg else None
        else:
            raise Wrong(f"{op} is not expected")
    if regs["rsp"] is None or state.load(regs["rsp"]) != "return":
        raise Wrong("no return address is found")
    return regs


def check_codes(function):
    """A code stands at the end of the instruction that it is about."""
    ends = {start + len(code) - function.start: (name, operands)
            for start, code, name, operands in function.instructions}
    for at, op, reg, value in function.codes:
        name, operands = ends.get(at, ("", ""))
        wanted = {"PUSH_NONVOL": ("push", reg), "SAVE_NONVOL": ("push", reg),
                  "SET_FPREG": ("mov", "rbp, rsp"), "ALLOC_SMALL": ("mov", "rbp, rsp")}[op]
        if (name, operands) != wanted:
            raise Wrong(f"{op} {reg} at {at:#x}, where {name} {operands} ends")
        if op == "ALLOC_SMALL" and value != function.frame_offset:
            raise Wrong("another allocation than the frame pointer's offset")
    if function.prologue != max([row[0] for row in function.codes], default=0):
        raise Wrong("a prologue of another size")


def check_function(function):
    """Raises Wrong. Returns the number of places that were checked."""
    code = b"".join(row[1] for row in function.instructions)
    if len(code) != function.end - function.start:
        raise Wrong("its code is not whole")
    code += b"\xcc" * 8
    check_codes(function)
    if function.instructions[-1][2] == "call":
        raise Wrong("a call at its end: the return address is in another function")
    state = State()
    for address, _, name, operands in function.instructions:
        regs = unwind(function, code, address, state)
        for reg in ("rbp", "rbx", "r12"):
            if regs[reg] != "kept":
                raise Wrong(f"{reg} of the caller is lost at {address:#x}: {name} {operands}")
        state.step(name, operands)
        if name == "ret":
            state.behind_return()
    return len(function.instructions)
