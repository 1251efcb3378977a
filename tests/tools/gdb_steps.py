"""For gdb: steps through a guest function, and at every instruction of the image compares the walk
with the calls and returns seen. Functions outside of the image are stepped over at their end.
"""
import gdb


def register(name):
    return int(gdb.parse_and_eval(f"(unsigned long)${name}"))


def word(address):
    return int.from_bytes(gdb.selected_inferior().read_memory(address, 8).tobytes(), "little")


def is_in_image(pc):
    name = gdb.solib_name(pc)
    return name is not None and name.endswith("/steps")


def walk(count):
    """pcs of the newest frames."""
    frame, pcs = gdb.newest_frame(), []
    while frame is not None and len(pcs) < count:
        pcs.append(frame.pc())
        frame = frame.older()
    return pcs


def track(calls, before, pc, sp):
    """before: pc and sp one instruction ago."""
    if sp == before[1] - 8 and 0 < word(sp) - before[0] <= 8:
        calls.append((sp, word(sp)))
    elif calls and pc == calls[-1][1] and sp > calls[-1][0]:
        calls.pop()


def step_over_outside(calls):
    """Runs to where a call from the image returns to."""
    slot, target = calls.pop()
    while True:
        gdb.execute(f"tbreak *{target:#x}", to_string=True)
        gdb.execute("continue", to_string=True)
        if register("rsp") > slot:
            return


def main():
    gdb.execute("set pagination off")
    gdb.execute("set breakpoint pending on")
    gdb.execute("handle SIGSEGV nostop noprint pass")
    gdb.execute("break everything", to_string=True)
    gdb.execute("run", to_string=True)
    gdb.execute("delete", to_string=True)
    slot = register("rbp") + 8  # gdb has passed over the making of the frame
    calls = [(slot, word(slot))]
    count = 0
    while calls:
        before = register("pc"), register("rsp")
        pcs = walk(len(calls) + 1)
        expected = [before[0]] + [target for _, target in reversed(calls)]
        if pcs != expected:
            print("wrong at", gdb.execute("x/i $pc", to_string=True),
                  [hex(pc) for pc in pcs], [hex(pc) for pc in expected])
            return
        count += 1
        gdb.execute("stepi", to_string=True)
        track(calls, before, register("pc"), register("rsp"))
        if calls and not is_in_image(register("pc")):
            step_over_outside(calls)
    print(f"right at {count} instructions")


main()
