// The launcher's symbols and unwind data, as readelf reads them: functions do not overlap and cover the text but for
// alignment, rows cover it without a gap.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

const skip = isNativeStandIn() && "the native stand-in is no launcher";
const readelf = async (option: string): Promise<string> => {
  return execFileSync("readelf", [option, "-W", await launcherPath()], { encoding: "utf8", maxBuffer: 1 << 26 });
};
/** Functions start at multiples of this. */
const ALIGNMENT = 16;

async function text(): Promise<{ start: number; end: number }> {
  const match = /\.text +PROGBITS +([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+)/.exec(await readelf("-S"));
  const start = parseInt(match?.[1] ?? "", 16);
  return { start, end: start + parseInt(match?.[2] ?? "", 16) };
}

test("functions and gates have symbols that cover the text and do not overlap", { skip }, async () => {
  const functions = [...(await readelf("-s")).matchAll(/: ([0-9a-f]{16}) +(\d+) FUNC +LOCAL +DEFAULT +\d+ (.+)/g)]
    .map(([, start = "", size = "", name = ""]) => ({ start: parseInt(start, 16), size: Number(size), name }))
    .sort((left, right) => left.start - right.start);
  const { start, end } = await text();
  let at = start;
  for (const { name, start: first, size } of functions) {
    assert.ok(first >= at, `${name} overlaps the function before it`);
    assert.ok(first - at < ALIGNMENT, `${first - at} bytes in front of ${name} belong to nobody`);
    assert.ok(size > 0, `${name} is empty`);
    at = first + size;
  }
  assert.ok(at <= end && end - at < ALIGNMENT);
  const names = functions.map(({ name }) => name);
  for (const expected of ["_start", "gateSyscall", "gateNative", "gateClone", "gateSignal", "engine/main/onSyscall"]) {
    assert.ok(names.includes(expected), expected);
  }
  // A debugger that attaches would put a breakpoint at the wrong place: src/engine/debug/gdb-jit.ts.
  assert.ok(names.every((name) => !name.startsWith("__jit_debug") && !name.startsWith("src/")));
});

test("unwind rows cover the text", { skip }, async () => {
  const output = await readelf("--debug-dump=frames");
  const rows = [...output.matchAll(/ FDE cie=[0-9a-f]+ pc=([0-9a-f]+)\.\.([0-9a-f]+)/g)]
    .map(([, start = "", end = ""]) => ({ start: parseInt(start, 16), end: parseInt(end, 16) }))
    .sort((left, right) => left.start - right.start);
  const { start, end } = await text();
  let at = start;
  for (const row of rows) {
    assert.equal(row.start, at);
    at = row.end;
  }
  assert.equal(at, end);
});
