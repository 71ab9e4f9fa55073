// Programs in surroundings that are short of something: what runs natively runs, or there is one line and a status.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { encodeElf, ET_DYN, program } from "./elf-file.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-bad-environment-"));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true, force: true }));

const isRoot = process.geteuid?.() === 0;
const needsRoot = { skip: isRoot ? false : "needs root, to become another user and to mount" };

/** A copy, since another user may not reach the project's folder. */
const launcher = join(folder, "launcher");
/** Ends with status 42 and needs nothing. */
const small = join(folder, "small");
let dynamic = "";

before(async () => {
  copyFileSync(await launcherPath(), launcher);
  chmodSync(launcher, 0o755);
  writeFileSync(small, encodeElf(program({ type: ET_DYN })));
  chmodSync(small, 0o755);
  dynamic = await buildProgram("hello.c", "dynamic");
});

interface Outcome {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Runs a shell command line that ends in `"$@"` with a program, natively or through the launcher. */
function run(line: string, command: readonly string[], environment: NodeJS.ProcessEnv = process.env): Outcome {
  const args = ["-c", line, "sh", ...command];
  const { status, signal, stdout, stderr } = spawnSync("/bin/bash", args, {
    encoding: "latin1",
    env: environment,
    cwd: folder,
  });
  return { status, signal, stdout, stderr };
}
function both(line: string, command: readonly string[]): { natively: Outcome; flicker: Outcome } {
  return { natively: run(line, command), flicker: run(line, [launcher, "run", "--", ...command]) };
}
function assertSame(line: string, command: readonly string[]): void {
  const { natively, flicker } = both(line, command);
  assert.deepEqual(flicker, natively, line);
}
function assertRefused({ status, signal, stdout, stderr }: Outcome, wanted: number, line: RegExp): void {
  if (isNativeStandIn()) return;
  assert.deepEqual([status, signal, stdout], [wanted, null, ""], stderr);
  assert.match(stderr, /^flicker: [^\n]+\n$/);
  assert.match(stderr, line);
}

// ---- Files

/** In a mount namespace of its own, which goes with the process. */
const mounted = (options: string, then: string): string =>
  `exec unshare -m sh -ec 'mount -t tmpfs -o ${options} tmpfs /mnt; ${then}' sh "$@"`;

test("a program on a noexec mount", needsRoot, () => {
  const line = mounted("noexec", `cp ${small} /mnt/small; exec "$@"`);
  assertRefused(run(line, [launcher, "run", "--", "/mnt/small"]), 126, /Permission denied/);
  assert.equal(run(line, ["/mnt/small"]).status, 126);
});

test("a script on a noexec mount, and an interpreter on one", needsRoot, () => {
  const script = mounted("noexec", `printf "#!/bin/sh\\necho run\\n" >/mnt/script; chmod 755 /mnt/script; exec "$@"`);
  assertRefused(run(script, [launcher, "run", "--", "/mnt/script"]), 126, /Permission denied/);
  const path = join(folder, "interpreter-on-noexec");
  writeFileSync(path, encodeElf(program({ interpreter: "/mnt/small" })));
  chmodSync(path, 0o755);
  const line = mounted("noexec", `cp ${small} /mnt/small; exec "$@"`);
  assertRefused(run(line, [launcher, "run", "--", path]), 126, /interpreter \/mnt\/small: Permission denied/);
});

/** A user with no other processes: `ulimit -u` counts those of the whole machine. */
const nobody = 100000 + process.pid;
const asNobody = `exec setpriv --reuid ${nobody} --regid 65534 --clear-groups "$@"`;

test("a file that may be executed and not read", needsRoot, () => {
  const path = join(folder, "execute-only");
  copyFileSync(small, path);
  chmodSync(path, 0o111);
  assert.equal(run(asNobody, [path]).status, 42, "natively");
  assertRefused(run(asNobody, [launcher, "run", "--", path]), 126, /may be executed but not read/);
  // A program under Flicker leaves it to the kernel.
  assert.equal(run(asNobody, [launcher, "run", "--", "/bin/sh", "-c", `exec ${path}`]).status, 42);
});

test("a program that may be read and not executed, as another user", needsRoot, () => {
  const path = join(folder, "read-only");
  copyFileSync(small, path);
  chmodSync(path, 0o744);
  assertRefused(run(asNobody, [launcher, "run", "--", path]), 126, /Permission denied/);
});

test("a folder that may not be entered", needsRoot, () => {
  const closed = mkdtempSync(join(folder, "closed-"));
  copyFileSync(small, join(closed, "small"));
  assertRefused(run(asNobody, [launcher, "run", "--", join(closed, "small")]), 126, /Permission denied/);
});

test("a file that is open for writing", () => {
  const path = join(folder, "busy");
  copyFileSync(small, path);
  chmodSync(path, 0o755);
  const { natively, flicker } = both('exec 9>>busy; exec "$@"', [path]);
  assert.equal(natively.status, 126);
  // Only Linux 6.14 lets a process ask (AT_EXECVE_CHECK); before, the program runs.
  if (flicker.status !== 42) assertRefused(flicker, 126, /Text file busy/);
});

test("a set-user-ID program", needsRoot, () => {
  const path = join(folder, "set-user-id");
  copyFileSync(small, path);
  chownSync(path, 65534, 65534); // root's own would give root nothing
  chmodSync(path, 0o4755);
  assertRefused(run('"$@"', [launcher, "run", "--", path]), 126, /set-user-ID/);
});

// ---- Limits

test("ulimit -f 0", () => {
  for (const command of [[small], [dynamic, "say"]]) assertSame('ulimit -f 0; exec "$@"', command);
});

test("ulimit -u 1", needsRoot, () => {
  for (const command of [[small], ["/bin/true"]]) assertSame(`ulimit -u 1; ${asNobody}`, command);
});

test("ulimit -n: what needs no descriptor runs while one is free", () => {
  for (const count of [4, 8, 64]) assertSame(`ulimit -n ${count}; exec "$@"`, [small]);
  for (const count of [5, 8, 64]) assertSame(`ulimit -n ${count}; exec "$@"`, ["/bin/true"]);
});

test("ulimit -n 3: no descriptor is free for the program's file", () => {
  assert.equal(run('ulimit -n 3; exec "$@"', [small]).status, 42);
  assertRefused(run('ulimit -n 3; exec "$@"', [launcher, "run", "--", small]), 125, /ulimit -n/);
});

for (const size of [32, 64, 136, 256, 8192, "unlimited"]) {
  test(`ulimit -s ${size}`, () => {
    for (const command of [[small], ["/bin/true"], ["/bin/sh", "-c", "exit 3"]])
      assertSame(`ulimit -s ${size}; exec "$@"`, command);
  });
}

test("ulimit -s 8", () => {
  // The kernel moves the stack's start by up to 8 KiB at random (arch_align_stack), and the environment is on it: whether a
  // program starts is chance, and the dynamic linker needs more.
  const line = `exec setarch -R env -i /bin/sh -c 'ulimit -s 8; exec "$@"' sh "$@"`;
  assertSame(line, [small]);
});

test("ulimit -v: native and 100 MB run, and less is a line or the kernel's own end", () => {
  const limited = (kilobytes: number): string => `ulimit -v ${kilobytes}; exec "$@"`;
  for (const command of [[small], ["/bin/true"]]) {
    let least = 64;
    while (run(limited(least), command).status === null || run(limited(least), command).status! > 42) least *= 2;
    assertSame(limited(least + 100 * 1024), command);
    if (isNativeStandIn()) continue;
    for (const kilobytes of [1024, 8192, 32768, 34000, 34500, 35000, 36000, 38000, 40000, 50000, 65536]) {
      const natively = run(limited(kilobytes), command);
      const flicker = run(limited(kilobytes), [launcher, "run", "--", ...command]);
      const same = flicker.status === natively.status && flicker.signal === natively.signal;
      // The kernel has no memory for the launcher itself.
      const killed = flicker.signal === "SIGSEGV" || flicker.signal === "SIGKILL";
      const refused = /^flicker: [^\n]+\n$/.test(flicker.stderr) && (flicker.status === 125 || flicker.status === 126);
      // Or ld.so has none for a library, or for the first thread's TLS: a line of its own.
      const ownLine = /error while loading shared libraries|cannot allocate TLS data structures/;
      const library = ownLine.test(flicker.stderr) && flicker.status === 127;
      const silent = !/assertion|engine fault/.test(flicker.stderr);
      assert.ok(
        silent && (same || killed || refused || library),
        `${kilobytes} KB: ${JSON.stringify({ natively, flicker })}`,
      );
    }
  }
});

test("ulimit -d 4", () => {
  for (const command of [[small], ["/bin/true"]]) {
    const { natively, flicker } = both('ulimit -d 4; exec "$@"', command);
    const killed = flicker.signal === "SIGSEGV" || flicker.signal === "SIGKILL";
    assert.ok(killed || JSON.stringify(flicker) === JSON.stringify(natively), JSON.stringify({ natively, flicker }));
  }
});

/** The machine's, so it is set for two short runs only, and put back whatever happens. */
test("strict overcommit", needsRoot, (context) => {
  const file = "/proc/sys/vm/overcommit_memory";
  const before = readFileSync(file, "utf8");
  try {
    writeFileSync(file, "2");
  } catch {
    context.skip("vm.overcommit_memory cannot be set here");
    return;
  }
  try {
    assertSame('exec "$@"', ["/bin/true"]);
    assertSame('exec "$@"', [small]);
  } finally {
    writeFileSync(file, before);
  }
});

// ---- What a process starts with

for (const closed of ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"]) {
  test(`closed descriptors: ${closed}`, () => {
    for (const command of [["/bin/true"], ["/bin/ls", "-l", "/proc/self/fd/"], ["/bin/cat"]]) {
      const { natively, flicker } = both(`exec "$@" ${closed}`, command);
      assert.deepEqual([flicker.status, flicker.signal], [natively.status, natively.signal], command.join(" "));
    }
  });
}

test("an error with standard error closed: the status alone", () => {
  const { status, stdout, stderr } = run('exec "$@" 2>&-', [launcher, "run", "--", "/no/such/file"]);
  assert.deepEqual([status, stdout, stderr], [127, "", ""]);
});

test("no environment at all", () => {
  assert.equal(run('exec env -i "$@"', [launcher, "run", "--", small]).status, 42);
  assertRefused(run('exec env -i "$@"', [launcher, "run", "--", "no-such-program"]), 127, /No such file/);
});

test("no HOME, and one that is read-only: programs run", needsRoot, () => {
  const environment = { PATH: process.env["PATH"], HOME: "/mnt" };
  assert.equal(run('unset HOME; exec "$@"', [launcher, "run", "--", small]).status, 42);
  const line = `exec unshare -m sh -ec 'mount -t tmpfs -o ro tmpfs /mnt; exec "$@"' sh "$@"`;
  assert.equal(run(line, [launcher, "run", "--", small], environment).status, 42);
});

test("a path of 5000 bytes", () => {
  assertRefused(run('exec "$@"', [launcher, "run", "--", `/${"x".repeat(5000)}`]), 126, /too long/);
});

test("a working directory that is gone", () => {
  assertSame('mkdir gone; cd gone; rmdir ../gone; exec "$@"', [small]);
});

test("nothing is left behind: no file and no process", () => {
  const names = readdirSync(folder).filter((name) => /^core|^flicker|tmp|gone/.test(name));
  assert.deepEqual(names, []);
  const left = readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(folder);
    } catch {
      return false;
    }
  });
  assert.deepEqual(left, []);
});
