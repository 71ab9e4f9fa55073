// The ring under load: processes and threads write numbered records as fast as they can, and a reader checks each. FLICKER_TEST_LONG: ten
// million, with and without loss.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { Ring, RingError, type RingOptions } from "../../src/host/ring/ring.js";
import { buildProgram } from "../support/build-program.js";
import { hookedLauncher } from "../hook/hooked.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const KIND = 7;
const MARK = 5;

const options: RingOptions = {
  ...{ size: 1 << 20, isLossless: true, isFollowing: true, hasTimes: false, hasEvents: false },
  ...{ calls: null, parameters: new Uint8Array() },
};

interface Found {
  records: number;
  lost: number;
  /** Of each thread, the number that comes next; a process that another one becomes begins again. */
  readonly next: Map<number, number>;
  /** Numbers that did not come. */
  skipped: number;
  status: number | null;
}

interface Run {
  readonly calls: number;
  readonly count: number;
  readonly size: number;
  readonly mode: string;
  readonly more?: readonly string[];
}

async function write(run: Run, given: Partial<RingOptions> = {}, pause = 0): Promise<Found> {
  const program = await buildProgram("ring-writers.c", run.mode === "root" ? "static" : "dynamic");
  const launcher = await hookedLauncher("many-records.ts");
  const ring = Ring.create({ ...options, ...given });
  const found: Found = { records: 0, lost: 0, next: new Map(), skipped: 0, status: null };
  const words = [run.calls, run.count, run.size, run.mode, ...(run.more ?? [])].map(String);
  const child = spawn(launcher, ["run", `--ring=${ring.option}`, "--", program, ...words], { stdio: "inherit" });
  let hasEnded = false;
  const end = once(child, "exit").then(([status]) => {
    hasEnded = true;
    found.status = status as number | null;
  });
  try {
    for (;;) {
      const isLast = hasEnded;
      const isNew = ring.read(({ tid, kind, hook, content }) => {
        assert.deepEqual([kind, hook], [KIND, 1]);
        const view = new DataView(content.buffer, content.byteOffset, content.length);
        const number = Number(view.getBigUint64(0, true));
        const expected = found.next.get(tid) ?? 0;
        if (number !== 0) {
          assert.ok(number >= expected, `thread ${tid} writes ${number} behind ${expected - 1}`);
          found.skipped += number - expected;
        }
        found.next.set(tid, number + 1);
        found.records++;
        checkMemory(view, content, run.size === 0 ? 0 : number % run.size);
      });
      found.lost += ring.takeLost();
      if (!isNew && isLast) break;
      await sleep(isNew ? pause : 1);
    }
    await end;
  } finally {
    child.kill("SIGKILL");
    ring.close();
  }
  return found;
}

function checkMemory(view: DataView, content: Uint8Array, size: number): void {
  assert.equal(content.length, size === 0 ? 8 : 24 + ((size + 7) & ~7));
  if (size === 0) return;
  assert.deepEqual([view.getUint32(16, true), view.getUint32(20, true)], [size, MARK]);
  for (let i = 0; i < size; i += 61) assert.equal(content[24 + i], (i * 7) & 255);
}

test("no record is lost when programs wait", async () => {
  const calls = isLong ? 2500 : 100;
  const found = await write({ calls, count: 1000, size: 0, mode: "plain" });
  assert.deepEqual([found.records, found.skipped, found.lost, found.status], [calls * 1000 * 4, 0, 0, 0]);
  assert.equal(found.next.size, 4);
});

test("what finds no room is lost, and counted", async () => {
  const calls = isLong ? 2500 : 100;
  const found = await write({ calls, count: 1000, size: 0, mode: "plain" }, { isLossless: false, size: 1 << 16 }, 5);
  assert.equal(found.records + found.lost, calls * 1000 * 4);
  assert.ok(found.lost > 0, "nothing was lost");
  assert.equal(found.status, 0);
});

test("records of all sizes, in a ring that they hardly fit in", async () => {
  const found = await write({ calls: 10, count: 100, size: 20_000, mode: "plain" }, { size: 1 << 16 });
  assert.deepEqual([found.records, found.skipped, found.lost], [10 * 100 * 4, 0, 0]);
});

test("signals interrupt writers all the time", async () => {
  const found = await write({ calls: 2000, count: 20, size: 40, mode: "signals" });
  assert.deepEqual([found.records, found.skipped, found.lost, found.status], [2000 * 20 * 4, 0, 0, 0]);
});

test("writers are killed in the middle, and the others go on", async () => {
  const found = await write({ calls: 60, count: 200, size: 3000, mode: "kill" }, { size: 1 << 17 });
  assert.equal(found.status, 0);
  const whole = [...found.next.values()].filter((next) => next === 60 * 200);
  assert.ok(whole.length >= 2, "the last two threads have not written all");
});

test("a program that closes and unmaps all it does not know, and executes another", async () => {
  const found = await write({ calls: 50, count: 100, size: 10, mode: "exec" });
  assert.deepEqual([found.records, found.skipped, found.status], [50 * 100 * 4, 0, 0]);
});

test("a vfork child that executes a program, and its parent", async () => {
  const found = await write({ calls: 50, count: 100, size: 10, mode: "vfork" });
  assert.deepEqual([found.records, found.skipped, found.status], [50 * 100 * 6, 0, 0]);
});

test("a new root directory", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root, to change the root directory");
  const root = mkdtempSync(join(tmpdir(), "flicker-ring-root-"));
  try {
    copyFileSync(await buildProgram("ring-writers.c", "static"), join(root, "writers"));
    const found = await write({ calls: 50, count: 100, size: 10, mode: "root", more: [root] });
    assert.deepEqual([found.records, found.skipped, found.status], [50 * 100 * 4, 0, 0]);
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("without -f only the first thread of the first program", async () => {
  const found = await write({ calls: 50, count: 100, size: 0, mode: "plain" }, { isFollowing: false });
  assert.deepEqual([found.records, found.next.size], [50 * 100, 1]);
});

test("a reader that is gone stops nobody", async () => {
  const program = await buildProgram("ring-writers.c", "dynamic");
  const launcher = await hookedLauncher("many-records.ts");
  const host = spawn(
    process.execPath,
    [
      ...["--import", "tsx", "--input-type=module", "-e"],
      `import { spawn } from "node:child_process";
       import { Ring } from "./src/host/ring/ring.ts";
       const ring = Ring.create({ ...${JSON.stringify({ ...options, size: 1 << 16 })}, parameters: new Uint8Array() });
       const words = ["run", "--ring=" + ring.option, "--", ${JSON.stringify(program)}, "20", "1000", "0", "plain"];
       const child = spawn(${JSON.stringify(launcher)}, words, { stdio: "ignore", detached: true });
       console.log(child.pid);
       setTimeout(() => process.kill(process.pid, "SIGKILL"), 200);`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [line] = (await once(host.stdout, "data")) as [Buffer];
  await once(host, "exit");
  const pid = Number(String(line));
  const isThere = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (let waited = 0; isThere() && waited < 20_000; waited += 20) await sleep(20);
  const isStuck = isThere();
  if (isStuck) process.kill(pid, "SIGKILL");
  assert.ok(!isStuck, "the program waits for a reader that is gone");
});

test("a size that no ring has", () => {
  assert.throws(() => Ring.create({ ...options, size: 12345 }), RingError);
});
