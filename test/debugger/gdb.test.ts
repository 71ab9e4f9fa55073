// gdb on programs under Flicker, with dist/flicker-gdb.py: in whatever a thread is (trampoline, gate, engine, handler), the
// backtrace goes on through the program's own functions to main. Attached, started by gdb, and from a core file.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";
import { buildProgram, type Variant } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

const skip = isNativeStandIn() && "the native stand-in is no launcher";
const script = join(packageRoot, "dist/flicker-gdb.py");
const temporary = mkdtempSync(join(tmpdir(), "flicker-gdb-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

/** Runs gdb with commands and gives what it prints. */
function gdb(options: readonly string[], commands: readonly string[], program: readonly string[] = []): string {
  const args = ["-nx", "-batch", "-ix", script, "-iex", "set width 0", "-iex", "set breakpoint pending on", ...options];
  for (const command of commands) args.push("-ex", command);
  if (program.length > 0) args.push("--args", ...program);
  return execFileSync("gdb", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 });
}

/** The functions of each backtrace in gdb's output, innermost first. */
function backtraces(output: string): string[][] {
  const traces: string[][] = [];
  for (const [, level, name = ""] of output.matchAll(/^#(\d+) +(?:0x[0-9a-f]+ in )?(.*?)(?: \(.*)?$/gm)) {
    if (level === "0") traces.push([]);
    traces.at(-1)?.push(name);
  }
  return traces;
}

/** The last backtrace: gdb also shows where a process was stopped. */
const lastBacktrace = (output: string): string[] | undefined => backtraces(output).at(-1);

/** Whether a backtrace comes to main through the test program's functions. */
function reachesMain(trace: readonly string[] | undefined): boolean {
  return trace?.join().includes("inner,outer,main") ?? false;
}

const SYSTEM_CALLS = { read: 0, ppoll: 271, handler: 0 };

/** Runs the program until it blocks in its system call, hands its process to `look`, and lets it end. */
async function whileBlocked(
  how: keyof typeof SYSTEM_CALLS,
  options: readonly string[],
  variant: Variant,
  look: (pid: number, program: string) => void,
): Promise<void> {
  const program = await buildProgram("blocked.c", variant);
  const child = spawn(await launcherPath(), ["run", ...options, "--", program, how], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const end = new Promise<number | null>((resolve) => child.on("close", resolve));
  try {
    const pid = child.pid as number;
    const isProgram = (): boolean => readFileSync(`/proc/${pid}/cmdline`, "utf8") === `${program}\0${how}\0`;
    const isBlocked = (): boolean => readFileSync(`/proc/${pid}/syscall`, "utf8").startsWith(`${SYSTEM_CALLS[how]} `);
    while (!isProgram() || !isBlocked()) await new Promise((resolve) => setTimeout(resolve, 5));
    look(pid, program);
    child.stdin.write("x");
    // The debugger has let go of it and nothing has changed.
    assert.equal(await end, 0);
  } finally {
    child.kill("SIGKILL");
  }
}

for (const variant of ["dynamic", "static", "fixed"] as const) {
  test(`attached to a ${variant} program in a trampoline`, { skip }, async () => {
    await whileBlocked("read", [], variant, (pid) => {
      const trace = lastBacktrace(gdb(["-p", String(pid)], ["bt"]));
      assert.ok(reachesMain(trace), trace?.join());
      assert.match(trace?.[1] ?? "", /read/);
    });
  });

  test(`attached to a ${variant} program in the gate of native calls`, { skip }, async () => {
    await whileBlocked("ppoll", [], variant, (pid) => {
      const trace = lastBacktrace(gdb(["-p", String(pid)], ["bt"]));
      assert.equal(trace?.[0], "gateNative");
      assert.match(trace?.[1] ?? "", /ppoll/);
      assert.ok(reachesMain(trace), trace?.join());
    });
  });
}

test("with the program named on gdb's command line", { skip }, async () => {
  await whileBlocked("ppoll", [], "dynamic", (pid, program) => {
    const trace = lastBacktrace(gdb(["-iex", "set exec-file-mismatch off", program, String(pid)], ["bt"]));
    assert.equal(trace?.[0], "gateNative");
    assert.ok(reachesMain(trace), trace?.join());
  });
});

test("with --gdb-jit trampolines have names", { skip }, async () => {
  await whileBlocked("read", ["--gdb-jit"], "dynamic", (pid) => {
    const trace = lastBacktrace(gdb(["-p", String(pid)], ["bt"]));
    assert.match(trace?.[0] ?? "", /^flicker:trampoline libc\.so\.6\+0x[0-9a-f]+$/);
    assert.ok(reachesMain(trace), trace?.join());
  });
});

test("with --gdb-jit DWARF alone unwinds trampolines", { skip }, async () => {
  await whileBlocked("read", ["--gdb-jit"], "dynamic", (pid) => {
    const trace = lastBacktrace(gdb(["-p", String(pid)], ["disable unwinder global flicker", "bt"]));
    assert.match(trace?.[0] ?? "", /^flicker:trampoline libc\.so\.6\+0x[0-9a-f]+$/);
    assert.ok(reachesMain(trace), trace?.join());
  });
});

test("without the script gdb puts no breakpoint where it believes the launcher to be", { skip }, async () => {
  await whileBlocked("read", ["--gdb-jit"], "dynamic", (pid) => {
    const args = ["-nx", "-batch", "-p", String(pid), "-ex", "maint info breakpoints"];
    const output = execFileSync("gdb", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    assert.match(output, /shlib events/);
    assert.doesNotMatch(output, /jit events/);
  });
});

test("through a signal handler, and from a core file", { skip }, async () => {
  await whileBlocked("handler", ["--gdb-jit"], "dynamic", (pid, program) => {
    const core = join(temporary, "core");
    const attached = lastBacktrace(gdb(["-p", String(pid)], ["bt", `gcore ${core}`]));
    assert.match(attached?.join() ?? "", /^flicker:trampoline .*,read_byte,<signal handler called>,/);
    assert.ok(reachesMain(attached), attached?.join());
    const fromCore = lastBacktrace(gdb([program, core], ["bt"]));
    assert.deepEqual(fromCore, attached);
  });
});

test("a program that gdb starts: breakpoints in it, in its libraries and in the engine", { skip }, async () => {
  const program = await buildProgram("blocked.c");
  const command = [await launcherPath(), "run", "--gdb-jit", "--", program, "calls"];
  const engine = "break engine/main/onSyscall";
  const output = gdb([], ["break inner", "break getppid", "run", "bt", engine, "continue", "bt", "continue"], command);
  const traces = backtraces(output);
  assert.deepEqual(traces[0], ["inner", "outer", "main"].concat(traces[0]?.slice(3) ?? []));
  const inEngine = traces.find((trace) => trace[0] === "engine/main/onSyscall");
  assert.deepEqual(inEngine?.slice(0, 3), ["engine/main/onSyscall", "engine/onSyscall", "gateSyscallOnEngineStack"]);
  assert.ok(reachesMain(inEngine), inEngine?.join());
  assert.doesNotMatch(output, /JITed code entry|internal-error/);
});

/**
 * Steps through instructions up to the call of puts, and prints each backtrace that does not come to main. A `rep` is one
 * step. Gates and trampolines are looked at in each instruction, functions of the engine and of libc in some; once in the
 * engine was enough, from then on gdb finishes its entry functions.
 */
const STEPPER = `
import gdb
def functions():
    frame = gdb.newest_frame()
    names = []
    while frame is not None and len(names) < 60:
        names.append(frame.name() or "??")
        if names[-1] == "main":
            return names
        frame = frame.older()
    return names
steps = inside = last = entries = 0
while steps < 20000:
    gdb.execute("stepi", to_string=True)
    pc = gdb.newest_frame().pc()
    if pc == last:
        size = gdb.newest_frame().architecture().disassemble(pc)[0]["length"]
        gdb.execute("advance *%d" % (pc + size), to_string=True)
        pc += size
    last = pc
    steps += 1
    function = gdb.newest_frame().name() or "??"
    if function.endswith("puts"):
        break
    if function.startswith("engine/on"):
        entries += 1
        if entries > 40:
            gdb.execute("finish", to_string=True)
    if steps % 16 != 0 and not function.startswith(("gate", "flicker", "??")):
        continue
    names = functions()
    inside += function.startswith(("gate", "engine", "flicker"))
    if names[-3:] != ["inner", "outer", "main"]:
        print("lost", steps, "at", hex(pc), ",".join(names))
print("steps", steps, "inside", inside)
`;

test("at every instruction of calls that the engine sees", { skip }, async () => {
  const program = await buildProgram("blocked.c");
  const command = [await launcherPath(), "run", "--gdb-jit", "--", program, "calls"];
  // The lazy binding of a first call would be stepped through as well.
  const commands = ["set environment LD_BIND_NOW=1", "break inner", "run", `python exec(${JSON.stringify(STEPPER)})`];
  const output = gdb([], commands, command);
  const lost = output.split("\n").filter((line) => line.startsWith("lost"));
  const [, steps, inside] = /^steps (\d+) inside (\d+)$/m.exec(output) ?? [];
  assert.ok(Number(steps) < 20_000 && Number(inside) > 200, output.slice(-500));
  assert.deepEqual(lost, []);
});
