// Statistics that cannot flatter: every `syscall` of libc and ld.so that objdump knows is counted, and has a jump; each
// process of a tree reports, also after fork, vfork, execve, _exit and a fault.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

interface Event {
  event: "start" | "fork" | "exec" | "end";
  pid: number;
  ppid: number;
  exe: string;
  path?: string;
  status?: number;
  signal?: number;
  sites: number;
  patched: number;
  tactics: Record<"B1" | "B2" | "T1" | "T2" | "T3" | "B0", number>;
  unpatched: number;
  doubtful: number;
}

async function run(program: string[], options: string[] = []): Promise<{ events: Event[]; status: number | null }> {
  const folder = mkdtempSync(join(tmpdir(), "flicker-statistics-"));
  try {
    const file = join(folder, "events");
    const launcher = await launcherPath();
    const { status } = spawnSync(launcher, ["run", "--stats-file", file, ...options, "--", ...program], {
      stdio: "ignore",
    });
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    return { events: lines.map((line) => JSON.parse(line) as Event), status };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Number of `syscall` instructions that objdump finds in a file. */
function sitesOf(path: string): number {
  const listing = execFileSync("objdump", ["-d", "--no-show-raw-insn", path], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  return [...listing.matchAll(/^\s*[0-9a-f]+:\s+syscall/gm)].length;
}

const skip = isNativeStandIn() && "the native stand-in has no statistics";

test("all sites of libc and ld.so are patched by jumps", { skip }, async () => {
  const { events } = await run(["/bin/true"]);
  const end = events.at(-1);
  assert.ok(end);
  assert.equal(end.event, "end");
  const known = sitesOf("/lib/x86_64-linux-gnu/libc.so.6") + sitesOf("/lib64/ld-linux-x86-64.so.2");
  // The vDSO's own come on top.
  assert.ok(end.sites >= known, `${end.sites} sites, of which libc and ld.so alone have ${known}`);
  const { B0, ...jumps } = end.tactics;
  assert.equal(B0, 0);
  assert.equal(end.unpatched, 0);
  assert.equal(end.doubtful, 0);
  assert.equal(
    Object.values(jumps).reduce((sum, count) => sum + count, 0),
    end.sites,
  );
});

test("a tree of processes reports each start, fork, exec and end", { skip }, async () => {
  const { events, status } = await run(["sh", "-c", "(exit 3); /bin/true; exit 4"]);
  assert.equal(status, 4);
  const of = (kind: Event["event"]): Event[] => events.filter(({ event }) => event === kind);
  assert.equal(of("start").length, 2);
  assert.equal(of("fork").length, 2);
  assert.deepEqual(
    of("exec").map(({ path }) => path),
    ["/bin/true"],
  );
  assert.deepEqual(
    of("end").map((event) => event.status),
    [3, 0, 4],
  );
  const first = events[0];
  assert.ok(of("fork").every(({ ppid }) => ppid === first?.pid));
});

test("a process that dies by a fault says so", { skip }, async () => {
  const { events } = await run(["sh", "-c", "kill -SEGV $$"]);
  assert.equal(events.at(-1)?.signal, 11);
});

test("with --no-follow-exec only the first program reports", { skip }, async () => {
  const { events } = await run(["sh", "-c", "/bin/true; exit 0"], ["--no-follow-exec"]);
  assert.equal(events.filter(({ event }) => event === "start").length, 1);
});

test("with --only-traps every site is a trap, and executed ones are counted", { skip }, async () => {
  const { events } = await run(["/bin/echo", "x"], ["--only-traps"]);
  const end = events.at(-1) as (Event & { executedTraps: number }) | undefined;
  assert.ok(end);
  assert.equal(end.tactics.B0, end.sites);
  assert.ok(end.executedTraps > 0);
});

test("with --count-calls every system call is counted", { skip }, async () => {
  const count = async (program: string[]): Promise<number> => {
    const end = (await run(program, ["--count-calls"])).events.at(-1) as (Event & { calls: number }) | undefined;
    assert.ok(end);
    return end.calls;
  };
  const umasks = (times: number): string[] => ["bash", "-c", `for ((i = 0; i < ${times}; i++)); do umask 22; done`];
  // umask is one system call in bash, and nothing else in the loop makes any.
  assert.equal((await count(umasks(1100))) - (await count(umasks(100))), 1000);
});
