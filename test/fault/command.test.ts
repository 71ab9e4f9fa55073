// `flicker fault`: a program that says which of its calls were changed, and what the log says of the same.

import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";
import { buildProgram } from "../support/build-program.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-fault-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const log = join(folder, "log");

/** Runs `flicker fault`. */
function fault(args: readonly string[], command: readonly string[], cwd = folder): SpawnSyncReturns<string> {
  return spawnSync(join(packageRoot, "dist/launcher"), ["fault", ...args, "--", ...command], {
    encoding: "utf8",
    cwd,
    env: {
      ...{ PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, HOME: "/", LC_ALL: "C" },
      XDG_CACHE_HOME: join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`),
    },
    timeout: 60_000,
  });
}
/** The same with the log in a file. */
const logged = (args: readonly string[], command: readonly string[]): SpawnSyncReturns<string> & { log: string } => {
  const run = fault(["-o", log, ...args], command);
  return { ...run, log: readFileSync(log, "latin1") };
};

const PATTERN = "..x...x...";

test("the n-th calls: counted for each process, across execve", async () => {
  const program = await buildProgram("faulty-calls.c");
  const rule = "getppid:retval=7:when=3..15+4";
  assert.equal(logged([rule], [program, "calls", "10"]).stdout, `calls ${PATTERN}\n`);
  assert.equal(logged([rule], [program, "exec", "10"]).stdout, `before ${PATTERN}\ncalls x...x.....\n`);
  assert.equal(
    logged([rule], [program, "vforks", "10"]).stdout,
    `parent ${PATTERN}\nvfork child ${PATTERN}\ncalls x...x.....\nparent x...x.....\n`,
  );
  const { stdout, log: text } = logged([rule], [program, "forks", "10"]);
  const children = ["child 0", "child 1", "grandchild", "child 2"].map((name) => `${name} ${PATTERN}\n`);
  assert.equal(stdout, `parent ${PATTERN}\n${children.join("")}parent x...x.....\n`);
  assert.match(text, /: 60 calls, 12 faults\n$/);
  const once = (when: string): string => logged([`getppid:retval=7:when=${when}`], [program, "calls", "6"]).stdout;
  assert.deepEqual(
    ["2", "4+", "1+2", "2..3"].map(once),
    [".x....", "...xxx", "x.x.x.", ".xx..."].map((line) => `calls ${line}\n`),
  );
});

test("a call that signals interrupt, and that is made again, is one call", async () => {
  const program = await buildProgram("hooked-calls.c");
  const restarts = logged(["-q", "read:delay_exit=1ns"], [program, "restarts"]);
  assert.equal(restarts.stdout, "reads 1000, many interrupted\n", restarts.stderr);
  const ends = [...restarts.log.matchAll(/= (?:1|-1 EINTR .*) \(INJECTED #(\d+)\)$/gm)];
  assert.equal(ends.length, 1000);
  assert.deepEqual(
    ends.map(([, number]) => Number(number)),
    ends.map((_, index) => Number(ends[0]![1]) + index),
  );
  const storm = logged(["getppid:delay=1ns:when=1+3"], [program, "storm"]);
  const made = Number(/made (\d+)/.exec(storm.stdout)?.[1]);
  assert.ok(made > 1000, storm.stdout);
  assert.ok(storm.log.endsWith(`: ${made} calls, ${Math.ceil(made / 3)} faults\n`), storm.log.slice(-200));
});

test("count=tree: the n-th of all", async () => {
  const program = await buildProgram("faulty-calls.c");
  const { stdout } = logged(["getppid:retval=7:when=6:count=tree"], [program, "forks", "4"]);
  assert.equal(stdout, "parent ....\nchild 0 .x..\nchild 1 ....\ngrandchild ....\nchild 2 ....\nparent ....\n");
});

test("threads: each call has a number of its own", async () => {
  const program = await buildProgram("faulty-calls.c");
  const { stdout, log: text } = logged(["getppid:retval=7:when=3+7"], [program, "threads"]);
  assert.equal(stdout, "changed 5714 of 40000\n");
  assert.match(text, /: 40000 calls, 5714 faults\n$/);
  const numbers = [...text.matchAll(/INJECTED #(\d+)/g)].map(([, number]) => Number(number)).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: 5714 }, (_, i) => 3 + 7 * i),
  );
});

test("by chance: the line in front repeats the run, and its share is right", async () => {
  const program = await buildProgram("faulty-calls.c");
  const command = [program, "forks", "100"];
  const first = logged(["getppid:retval=7:probability=20%"], command);
  const [, rule = ""] = /^flicker fault (\S+:seed=\d+) -- /.exec(first.log) ?? [];
  const second = logged([rule], command);
  assert.equal(second.stdout, first.stdout);
  const faults = (text: string): string => text.replace(/\[pid +\d+\]/g, "");
  assert.equal(faults(second.log), faults(first.log));
  const other = logged(["getppid:retval=7:probability=20%:seed=1"], command);
  assert.notEqual(other.stdout, logged(["getppid:retval=7:probability=20%:seed=2"], command).stdout);
  // Processes and images of one process have chances of their own.
  const lines = other.stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.slice(-100));
  assert.equal(new Set(lines).size, 6);
  const { stdout } = logged(["getppid:retval=7:probability=25%:seed=3"], [program, "threads"]);
  const changed = Number(/changed (\d+)/.exec(stdout)?.[1]);
  // 40,000 draws: 87 is the standard deviation.
  assert.ok(Math.abs(changed - 10_000) < 450, stdout);
});

interface Said {
  readonly kind: string;
  readonly call?: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly error?: string;
  readonly count?: number;
  readonly rule?: number;
  readonly rules?: readonly unknown[];
}
const objectsOf = (text: string): Said[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Said);

test("calls that the engine answers fail, and it goes on rightly", async () => {
  const program = await buildProgram("faulty-calls.c", "static");
  const command = [program, "engine"];
  const calls = "mmap,mprotect,munmap,rt_sigaction";
  // Which of its calls are the program's own is seen in a run without faults.
  const { log: text } = logged(["--json", ...calls.split(",").map((call) => `${call}:delay=1ns`)], command);
  const own = (call: string, isIt: (given: Readonly<Record<string, unknown>>) => boolean): number => {
    const found = objectsOf(text).find((said) => said.call === call && isIt(said.arguments!));
    assert.ok(found?.count !== undefined, `no such call of ${call}`);
    return found.count;
  };
  const map = own("mmap", ({ len, prot }) => len === 4096 && prot === "PROT_READ|PROT_WRITE");
  const protect = own("mprotect", ({ prot }) => prot === "PROT_READ|PROT_EXEC");
  const unmap = own("munmap", ({ len }) => len === 4096);
  const action = own("rt_sigaction", ({ sig }) => sig === "SIGUSR1");
  const run = logged(
    [
      `mmap:error=ENOMEM:when=${map}`,
      `mprotect:error=EACCES:when=${protect}`,
      `munmap:error=EINVAL:when=${unmap}`,
      `rt_sigaction:error=EINVAL:when=${action}`,
      "clone,clone3,vfork,fork:error=EAGAIN:when=1+2",
      "execve:error=E2BIG:when=2:count=tree",
      "getppid:retval=7:when=2+2",
    ],
    command,
  );
  assert.equal(run.status, 0, run.stderr);
  assert.equal(
    run.stdout,
    [
      ...["mmap Cannot allocate memory", "mprotect Permission denied", "code runs", "munmap Invalid argument"],
      ...["code runs", "sigaction Invalid argument", "handled 1", "SIGUSR1 default"],
      ...["fork Resource temporarily unavailable", "fork works"],
      ...["thread Resource temporarily unavailable", "thread works"],
      ...["spawn Resource temporarily unavailable -1", "calls .x.", "spawn works 0", "calls .x.x.", ""],
    ].join("\n"),
  );
  assert.equal(run.stderr, "execl: Argument list too long\n");
});

test("short reads and writes", async () => {
  writeFileSync(join(folder, "words"), "one two three four\n");
  const read = logged(["read:short=3:path=*/words"], ["cat", "words"]);
  assert.deepEqual([read.stdout, read.status], ["one two three four\n", 0]);
  assert.match(read.log, /read\(3, "one", \d+\) += 3 \(INJECTED #1\)\n/);
  assert.match(read.log, /: 8 calls, 8 faults\n$/);
  const write = logged(["write:short=5"], ["cat", "words"]);
  assert.equal(write.stdout, "one two three four\n");
  assert.match(write.log, /: 4 calls, 3 faults\n$/);
  const program = await buildProgram("faulty-calls.c");
  const vectors = logged(["readv,writev:short=2"], [program, "vectors"]);
  assert.equal(vectors.stdout, "2 2 2 ab\n");
  assert.match(vectors.log, /writev\(4, .*\) = 2 \(INJECTED #1\)\n/);
});

test("paths: of arguments, relative ones too, and of descriptors", () => {
  writeFileSync(join(folder, "words"), "one two three four\n");
  const missing = "cat: words: No such file or directory\n";
  for (const pattern of ["*/words", `${folder}/w?rds`, `${folder}/*`, "*words"]) {
    const { stderr } = logged([`openat:error=ENOENT:path=${pattern}`], ["cat", "words"]);
    assert.equal(stderr, missing, pattern);
  }
  for (const name of ["./words", "../" + folder.split("/").at(-1) + "/words"])
    assert.equal(logged(["openat:error=ENOENT:path=*/words"], ["cat", name]).status, 1, name);
  for (const pattern of ["/nowhere*", "*/word", "*/w\\?rds", "words", ""])
    if (pattern !== "")
      assert.equal(logged([`openat,read:error=EIO:path=${pattern}`], ["cat", "words"]).status, 0, pattern);
  const { stderr, log: text } = logged(["-y", "read,fstat:error=EIO:path=*/words"], ["cat", "words"]);
  assert.equal(stderr, "cat: words: Input/output error\n");
  assert.ok(text.includes(`<${folder}/words>`), text);
});

test("late calls", () => {
  const begin = performance.now();
  const { log: text, status } = logged(["write:delay=150ms:delay_exit=100ms", "exit_group:delay=50ms"], ["echo", "hi"]);
  assert.ok(performance.now() - begin > 300);
  assert.equal(status, 0);
  assert.match(text, /^\[pid +\d+\] write\(1, "hi\\n", 3\) += 3 \(INJECTED #1 by rule 1\)$/m);
  assert.match(text, /^\[pid +\d+\] exit_group\(0\) += \? \(INJECTED #1 by rule 2\)$/m);
});

test("of several rules the first that means a call changes it, and each counts all its calls", async () => {
  const program = await buildProgram("faulty-calls.c");
  const rules = ["getppid:retval=7:when=2", "getppid:retval=5:when=2+", "getppid:retval=7:when=3+2"];
  const run = logged(rules, [program, "calls", "6"]);
  assert.equal(run.stdout, "calls .x....\n");
  for (const [rule, faults] of [
    [rules[0], "1 fault"],
    [rules[1], "4 faults"],
    [rules[2], "0 faults"],
  ])
    assert.ok(run.log.includes(`flicker: ${rule}: 6 calls, ${faults}\n`), run.log);
});

test("--json: the run, its faults, and their numbers", () => {
  const { log: text } = logged(["--json", "openat:error=ENOENT:path=/etc/passwd"], ["cat", "/etc/passwd"]);
  const [run, call, summary, ...more] = objectsOf(text);
  const rules = ["openat:error=ENOENT:path=/etc/passwd"];
  assert.deepEqual(run, { kind: "run", rules, command: ["cat", "/etc/passwd"] });
  assert.deepEqual([call?.kind, call?.call, call?.error, call?.rule, call?.count], ["call", "openat", "ENOENT", 0, 1]);
  assert.deepEqual(summary, { kind: "summary", rules: [{ rule: rules[0], matched: 1, injected: 1 }] });
  assert.deepEqual(more, []);
  // A call that does not return is said, too.
  const late = objectsOf(logged(["--json", "exit_group,execve:delay=1ms"], ["sh", "-c", "exec true"]).log);
  assert.deepEqual(
    late.slice(1, -1).map(({ kind, call: name }) => [kind, name]),
    [
      ["enter", "execve"],
      ["enter", "exit_group"],
    ],
  );
});

test("a rule that is about no call changes nothing; -q says no summary", () => {
  const {
    stdout,
    stderr,
    status,
    log: text,
  } = logged(["-q", "mknod:error=EIO"], ["sh", "-c", "echo a; echo b >&2; exit 3"]);
  assert.deepEqual([stdout, stderr, status], ["a\n", "b\n", 3]);
  assert.equal(text, "flicker fault mknod:error=EIO -- sh -c 'echo a; echo b >&2; exit 3'\n");
});

test("the exit status, and the signal, are the program's", () => {
  assert.equal(logged(["mknod:error=EIO"], ["sh", "-c", "exit 7"]).status, 7);
  for (const signal of ["SIGTERM", "SIGUSR1", "SIGKILL"] as const)
    assert.equal(logged(["mknod:error=EIO"], ["sh", "-c", `kill -${signal.slice(3)} $$`]).signal, signal);
  assert.equal(logged(["mknod:error=EIO"], ["/nowhere/at/all"]).status, 127);
});

test("misuse", () => {
  const said = (args: readonly string[]): (string | number | null)[] => {
    const launcher = join(packageRoot, "dist/launcher");
    const { status, stderr } = spawnSync(launcher, ["fault", ...args], { encoding: "utf8" });
    return [status, stderr];
  };
  const place = "  read:error=EOI\n             ^~~\n";
  assert.deepEqual(said(["read:error=EOI", "--", "true"]), [
    125,
    `flicker: the rule, column 12: no such error: EOI; did you mean EIO?\n${place}`,
  ]);
  const usage = "flicker: no program: flicker fault RULE... -- PROG ARGS...\n";
  assert.deepEqual(said(["read:error=EIO"]), [125, usage]);
  assert.deepEqual(said(["read:error=EIO", "--"]), [125, usage]);
  assert.deepEqual(said(["--", "true"]), [
    125,
    "flicker: missing required argument 'RULE'; see flicker fault --help\n",
  ]);
  assert.deepEqual(said(["-x", "read:error=EIO", "--", "true"]), [
    125,
    "flicker: unknown option '-x'; see flicker fault --help\n",
  ]);
  const [status, stderr] = said(["-o", "/nowhere/file", "read:error=EIO", "--", "true"]);
  assert.equal(status, 125);
  assert.match(String(stderr), /^flicker: \/nowhere\/file: /);
});
