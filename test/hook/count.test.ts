// `flicker count` and `run --count-sites`, in a program that knows how often it executes what: exact under signals, in threads, in
// children, with live flags and dead ones.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { sumCounts } from "../../src/host/count/session.js";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { instrumentingLauncher } from "./hooked.js";

const skip = isNativeStandIn() && "the native stand-in knows no options";
const program = (): Promise<string> => buildProgram("hooked-instructions.c");

async function countSpin(what: string, options: readonly string[]): Promise<{ stdout: string; counts: bigint[] }> {
  const launcher = await instrumentingLauncher("function == spin", []);
  const command = ["run", "--count-sites", "--stats=json", ...options, "--", await program(), what];
  const run = spawnSync(launcher, command, { encoding: "utf8", timeout: 120_000 });
  assert.equal(run.status, 0, run.stderr);
  const counts = sumCounts(run.stderr.split("\n").filter((line) => line.startsWith("{")));
  counts.sort((a, b) => Number(a.address - b.address));
  return { stdout: run.stdout, counts: counts.map(({ count }) => count) };
}
/** xor, stc, adc, dec, jnz, ret. */
const executions = (calls: number, turns: number): bigint[] => [calls, calls, turns, turns, turns, calls].map(BigInt);

for (const options of [[], ["--only-traps"], ["--yield-gs"]]) {
  const how = options.join(" ") || "jumps";
  test(`every instruction of a function is counted: ${how}`, { skip }, async () => {
    const { stdout, counts } = await countSpin("spin", options);
    assert.equal(stdout, "1\n");
    assert.deepEqual(counts, executions(1, 100_000));
  });

  test(`also under a storm of signals: ${how}`, { skip }, async () => {
    const { stdout, counts } = await countSpin("storm", options);
    const [, sum, turns] = /^sum (\d+) of (\d+)$/m.exec(stdout) ?? assert.fail(stdout);
    assert.equal(sum, turns);
    assert.deepEqual(counts, executions(Number(turns), 1000 * Number(turns)));
  });

  test(`in eight threads: ${how}`, { skip }, async () => {
    const { stdout, counts } = await countSpin("threads", options);
    assert.equal(stdout, "8\n");
    assert.deepEqual(counts, executions(8, 800_000));
  });
}

test("flicker count adds children up, and keeps the program's status", { skip }, async () => {
  const path = await program();
  const script = `${path} spin; (${path} spin); exec ${path} calls`;
  const options = ["count", "--match", "function == spin", "--json", "--by", "function", "--", "sh", "-c", script];
  const run = spawnSync(await launcherPath(), options, { encoding: "utf8" });
  assert.equal(run.stdout, "1\n1\n499500\n", run.stderr);
  assert.equal(run.status, 0);
  const expected = { count: 2 * (300_000 + 3), file: path, function: "spin", sites: 6 };
  assert.deepEqual(JSON.parse(run.stderr), expected);
});

test("rows are named and sorted", { skip }, async () => {
  const path = await program();
  const options = ["count", "--match", "function == spin", "--top", "2", "--", "sh", "-c", `${path} spin; exit 3`];
  const run = spawnSync(await launcherPath(), options, { encoding: "utf8" });
  assert.equal(run.status, 3);
  const lines = run.stderr.trimEnd().split("\n");
  assert.match(lines[0]!, /^executions +instruction +file +place$/);
  assert.match(lines[1]!, /^ +100000 +\w+ .* hooked-instructions +spin\+0x\w+$/);
  assert.equal(lines.at(-1), "300003 executions in 6 instructions; 4 more: --top shows them");
});

test("an image that says its counts twice is counted once", () => {
  const line = (count: number): string =>
    JSON.stringify({ event: "counts", pid: 7, file: "/a", counts: [["0x10", count]] });
  const start = JSON.stringify({ event: "start", pid: 7 });
  assert.deepEqual(sumCounts([start, line(3), line(5), start, line(2)]), [{ file: "/a", address: 16n, count: 7n }]);
});
