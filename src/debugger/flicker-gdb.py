# gdb on programs that run under Flicker: `gdb -x dist/flicker-gdb.py ...`, or `source` in ~/.gdbinit (docs/debugging.md).
#
# gdb takes the launcher for the program, because the kernel does (/proc/PID/exe), and looks for it where the program is,
# because the auxiliary vector says so (AT_ENTRY). This script puts both right: the launcher's symbols where the launcher
# is mapped, and the program's where the program is. In a process that gdb started it does so when the launcher is about
# to enter the program, and again at the program's own entry point, when the shared libraries are there.
#
# Unwinding needs no symbols of Flicker's: a trampoline is recognised by its bytes, and its caller is the site that it
# stands for; likewise the jump from a trampoline to the gate, and a jump to a trampoline that stands inside an instruction
# of a neighbour function (tactic T3: the frame is not that function's). What is in the gate of native calls goes on at the address
# that the thread block holds. The rest of the gates and the engine have DWARF in the launcher. Instructions that made
# room for a jump (evicted ones) can be anything: only --gdb-jit knows of those.
#
# With `flicker run --gdb-jit`, trampolines have names too: the process holds a symbol file for them (gdb's JIT interface),
# and this script tells gdb where to look for it.
#
# Numbers between @ are filled in by the build from src/abi.

import os
import re
import struct

import gdb
from gdb.unwinder import Unwinder

BLOCK_AFTER = @BLOCK_AFTER@
BLOCK_SAVED_RCX = @BLOCK_SAVED_RCX@
BLOCK_SAVED_R11 = @BLOCK_SAVED_R11@
TRAMPOLINE_AFTER_SAVES = @TRAMPOLINE_AFTER_SAVES@
TRAMPOLINE_SYSCALL = @TRAMPOLINE_SYSCALL@
TRAMPOLINE_DESCRIPTOR = @TRAMPOLINE_DESCRIPTOR@
TRAMPOLINE_SIZE = @TRAMPOLINE_SIZE@

SYSCALL_SIZE = 2
# mov %rcx,%gs:SAVED_RCX ; mov %r11,%gs:SAVED_R11
TRAMPOLINE_START = struct.pack("<5sI5sI", b"\x65\x48\x89\x0c\x25", BLOCK_SAVED_RCX, b"\x65\x4c\x89\x1c\x25", BLOCK_SAVED_R11)
# Where an instruction of the trampoline begins, a thread can be.
TRAMPOLINE_STEPS = (0, 9, 18, 21, 28, 33, 35, 42, 47, 49, 56)

# jmp *0(%rip): what an outpost has for its trampolines, rcx being the descriptor.
ISLAND = b"\xff\x25\0\0\0\0"

AT_ENTRY = 9
GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split()


def read(address, size):
    """Bytes of the process, or None."""
    try:
        return bytes(gdb.selected_inferior().read_memory(address & (1 << 64) - 1, size))
    except gdb.MemoryError:
        return None


def symbol(name):
    """The address of one of the launcher's symbols, or None."""
    try:
        return int(gdb.parse_and_eval("(unsigned long)&'%s'" % name)) & (1 << 64) - 1
    except gdb.error:
        return None


# ---- which file is where


def mappings():
    """(start, end, file offset, path) of the process or core file."""
    found = []
    for line in gdb.execute("info proc mappings", to_string=True).splitlines():
        match = re.match(r"\s*0x(\w+)\s+0x(\w+)\s+0x\w+\s+0x(\w+)\s+(?:[-rwxps]{4}\s+)?(/.*)", line)
        if match:
            start, end, offset = (int(digits, 16) for digits in match.group(1, 2, 3))
            found.append((start, end, offset, match.group(4)))
    return found


def auxiliary(kind):
    """A value of the auxiliary vector, or None. gdb keeps the one that a process starts with: the launcher's."""
    if is_core():
        for line in gdb.execute("info auxv", to_string=True).splitlines():
            match = re.match(r"(\d+)\s.*\s(0x[0-9a-f]+|\d+)$", line)
            if match and int(match.group(1)) == kind:
                return int(match.group(2), 0)
        return None
    try:
        with open("/proc/%d/auxv" % gdb.selected_inferior().pid, "rb") as file:
            content = file.read()
    except OSError:
        return None
    return dict(struct.iter_unpack("<QQ", content[: len(content) & ~15])).get(kind)


LAUNCHER_SIZE_MAX = 4 << 20


def is_launcher(path):
    """Whether a file is a launcher, wherever it was built or copied to."""
    try:
        with open(path, "rb") as file:
            content = file.read(LAUNCHER_SIZE_MAX)
            return content.startswith(b"\x7fELF") and b"\0gateSyscallOnEngineStack\0" in content
    except OSError:
        return False


class Place:
    """What is mapped where: the launcher, the program, and files of any kind."""

    def __init__(self, launcher, launcher_base, program, program_bias, files):
        self.launcher = launcher
        self.launcher_base = launcher_base
        self.program = program
        self.program_bias = program_bias
        self.files = files

    def __eq__(self, other):
        return isinstance(other, Place) and self.key() == other.key()

    def key(self):
        return (self.launcher, self.launcher_base, self.program, self.program_bias)


launchers = {}


def find_place():
    """The Place of the selected inferior, or None when it does not run under Flicker (yet)."""
    entry = auxiliary(AT_ENTRY)
    maps = mappings()
    launcher = program = None
    # A process has its launcher as its executable; a core file names only what was mapped.
    executable = None
    if not is_core():
        try:
            executable = os.readlink("/proc/%d/exe" % gdb.selected_inferior().pid)
        except OSError:
            return None
    for start, end, offset, path in maps:
        if path not in launchers:
            launchers[path] = executable in (None, path) and is_launcher(path)
        if launchers[path]:
            if launcher is None and offset == 0:
                launcher = (path, start)
        elif entry is not None and start <= entry < end:
            program = path
    if launcher is None or program is None:
        return None
    try:
        with open(program, "rb") as file:
            header = file.read(64)
    except OSError:
        return None
    return Place(launcher[0], launcher[1], program, entry - struct.unpack_from("<Q", header, 24)[0], [(start, end) for start, end, _, _ in maps])


def quietly(command):
    return gdb.execute(command, to_string=True)


def is_main(path):
    main = gdb.current_progspace().filename
    return main is not None and os.path.realpath(main) == os.path.realpath(path)


def is_started():
    """Whether gdb started the process, rather than attached to it or opened its core file."""
    return not gdb.selected_inferior().was_attached and not is_core()


def is_core():
    connection = gdb.selected_inferior().connection
    return connection is not None and connection.type == "core"


class State:
    """What gdb has been told of the process, so that it is told once."""

    image = None  # process and entry point: another one is another program
    place = None
    names = None
    native = None
    native_size = None
    is_shown = False
    is_busy = False


def refresh():
    """Finds out what runs now; gives its Place, or None."""
    inferior = gdb.selected_inferior()
    if inferior.pid == 0:
        return None
    try:
        image = (inferior.pid, auxiliary(AT_ENTRY))
        if image != State.image:
            place = find_place()
            if place is None:
                return None
            if place != State.place:
                State.is_shown = False
            State.image, State.place, State.names = image, place, None
            if not (is_main(place.launcher) and is_started()):
                quietly('add-symbol-file "%s" -o 0x%x' % (place.launcher, place.launcher_base))
            native = symbol("gateNative")
            State.native_size = None if native is None else symbol("gateClone") - native
            State.native = native if native is None or native > place.launcher_base else native + place.launcher_base
        return State.place
    except gdb.error:
        return None


def load_names(base):
    """Where --gdb-jit has put the names by which gdb finds its JIT interface, gdb gets to know them."""
    descriptor = symbol("gdbJitDescriptor")
    if descriptor is None:
        return
    if descriptor < base:
        descriptor += base
    names = read(descriptor + 24, 8)
    if names is None or names == bytes(8) or names == State.names:
        return
    State.names = names
    quietly("add-symbol-file-from-memory 0x%x" % struct.unpack("<Q", names)[0])


def show(place):
    """Gives gdb the program's symbols, where the program is."""
    confirm = gdb.parameter("confirm")
    quietly("set confirm off")
    try:
        if is_main(place.launcher) and is_started():
            # gdb started the launcher and knows where it is; another `run` must find it again.
            quietly('add-symbol-file "%s" -o 0x%x' % (place.program, place.program_bias))
            # The auxiliary vector is read anew for what gdb takes for a new executable.
            quietly('exec-file "%s"' % place.launcher)
        elif not is_main(place.program):
            quietly('symbol-file -o 0x%x "%s"' % (place.program_bias, place.program))
        watch_libraries()
    finally:
        quietly("set confirm %s" % ("on" if confirm else "off"))


def watch_libraries():
    """Makes gdb do what it does for a new process: read the list of shared libraries, and watch it."""
    quietly("set solib-search-path %s" % (gdb.parameter("solib-search-path") or ""))


def update(event=None):
    """The process has stopped."""
    # Each command that is executed here would first execute those of a breakpoint that has been hit.
    if State.is_busy or any(isinstance(hit, Internal) for hit in getattr(event, "breakpoints", ())):
        return
    State.is_busy = True
    try:
        place = refresh()
        if place is None:
            return
        load_names(place.launcher_base)
        if not State.is_shown:
            State.is_shown = True
            show(place)
    finally:
        State.is_busy = False


# ---- a process that gdb starts, attaches to, or has the core of


class Internal(gdb.Breakpoint):
    """A breakpoint that nobody sees: does something and goes on."""

    def __init__(self, place, action):
        super().__init__(place, internal=True)
        self.silent = True
        self.commands = "python flicker_%s()\ncontinue" % action


internal_breakpoints = {}


def watch_address(place, action):
    if place not in internal_breakpoints:
        internal_breakpoints[place] = Internal(place, action)


def flicker_entering():
    """The launcher is about to enter the program."""
    update()
    if State.place is not None:
        watch_address("*0x%x" % auxiliary(AT_ENTRY), "entered")


def flicker_entered():
    """The program's own first instruction: its shared libraries are there."""
    watch_libraries()


def flicker_jit():
    """The launcher has made the names for the JIT interface, and has not announced anything yet."""
    internal_breakpoints.pop("*&'engineDebuggerEvent'").delete()
    load_names(0)


def new_objfile(*_):
    """
    Symbols have been loaded. In a process that gdb attaches to, and in a core file, it looks for JIT interfaces once,
    right after these events: so the launcher's must be known by then.
    """
    if State.is_busy:
        return
    State.is_busy = True
    try:
        if gdb.selected_inferior().pid == 0:
            if symbol("enterProgram") is not None:
                watch_address("*&'enterProgram'", "entering")
                watch_address("*&'engineDebuggerEvent'", "jit")
        elif not is_started():
            place = refresh()
            if place is not None:
                load_names(place.launcher_base)
    finally:
        State.is_busy = False


# ---- unwinding


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


def trampoline_at(pc):
    """The trampoline that an instruction belongs to, or None."""
    for step in TRAMPOLINE_STEPS:
        code = read(pc - step, TRAMPOLINE_SIZE)
        if code is None or not code.startswith(TRAMPOLINE_START):
            continue
        if code[TRAMPOLINE_SYSCALL : TRAMPOLINE_SYSCALL + SYSCALL_SIZE] == b"\x0f\x05":
            return pc - step
    return None


def site_of(descriptor):
    return descriptor + struct.unpack("<i", read(descriptor, 4))[0]


# What a jump can be padded with (src/engine/patch/jump.ts).
PREFIXES = bytes((*range(0x40, 0x50), 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65))


def jump_target(pc):
    """Where a `jmp rel32` leads, or None when there is none."""
    code = read(pc, 16)
    if code is None:
        return None
    at = len(code) - len(code.lstrip(PREFIXES))
    if code[at : at + 1] != b"\xe9" or at + 5 > len(code):
        return None
    return pc + at + 5 + struct.unpack_from("<i", code, at + 1)[0]


class FlickerUnwinder(Unwinder):
    def __init__(self):
        super().__init__("flicker")

    def caller(self, pending, pc):
        """Where the program goes on after the call that `pc` makes for it, or None; and the code's first address."""
        # gateClone begins where it ends, and is looked up as what lies before it when a jump leads there.
        if State.native is not None and State.native <= pc <= State.native + State.native_size:
            block = int(pending.read_register("gs_base"))
            after = read(block + BLOCK_AFTER, 8)
            return after and (struct.unpack("<Q", after)[0], State.native)
        if State.place is None:
            return None
        if self.is_in_file(pc):
            return self.relayed(pc)
        if read(pc, len(ISLAND)) == ISLAND:
            return site_of(int(pending.read_register("rcx"))) + SYSCALL_SIZE, pc
        trampoline = trampoline_at(pc)
        return trampoline and (site_of(trampoline + TRAMPOLINE_DESCRIPTOR) + SYSCALL_SIZE, trampoline)

    def is_in_file(self, pc):
        """Trampolines are where no file is."""
        if any(start <= pc < end for start, end in State.place.files):
            return True
        return gdb.current_progspace().solib_name(pc) is not None

    def relayed(self, pc):
        """The same as `caller` for a jump that stands for a site elsewhere: to its trampoline, perhaps over a stub."""
        target = jump_target(pc)
        for _ in range(2):
            if target is None or self.is_in_file(target):
                return None
            if trampoline_at(target) == target:
                site = site_of(target + TRAMPOLINE_DESCRIPTOR)
                return None if site == pc else (site + SYSCALL_SIZE, pc)
            target = jump_target(target)
        return None

    def __call__(self, pending):
        pc = int(pending.read_register("rip")) & (1 << 64) - 1
        found = self.caller(pending, pc)
        if not found:
            return None
        after, start = found
        sp = pending.read_register("rsp")
        unwind = pending.create_unwind_info(FrameId(sp, gdb.Value(start).cast(sp.type)))
        for name in GENERAL:
            unwind.add_saved_register(name, pending.read_register(name))
        unwind.add_saved_register("rip", gdb.Value(after).cast(pending.read_register("rip").type))
        for name in ("eflags", "fs_base", "gs_base"):
            unwind.add_saved_register(name, pending.read_register(name))
        return unwind


gdb.unwinder.register_unwinder(None, FlickerUnwinder(), replace=True)
gdb.events.stop.connect(update)
gdb.events.new_objfile.connect(new_objfile)
gdb.events.before_prompt.connect(update)
# In the middle of loading symbols gdb must not be told to load others.
if gdb.current_objfile() is None:
    new_objfile()
    update()
