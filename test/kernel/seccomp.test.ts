// What is not as natively with seccomp filters (docs/limits.md), and that a program which is executed under one is followed.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

async function run(...command: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  return spawnSync(await launcherPath(), ["run", ...command], { encoding: "utf8" });
}

test("a filter that reads the instruction pointer, or is too long for a prefix, is refused with a line", async (context) => {
  if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
  const result = await run("--", await buildProgram("seccomp-refused.c", "dynamic"));
  assert.equal(result.stdout, "instruction pointer: 22\nlong, kills on mmap: 22\nlong, allows all: 0\n");
  assert.equal(result.stderr.match(/^flicker: a seccomp filter .* is refused \(EINVAL\)$/gm)?.length, 2, result.stderr);
  assert.equal(result.status, 0);
});

test("programs that are executed under filters are followed", async (context) => {
  if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
  const program = await buildProgram("seccomp.c", "dynamic");
  for (const [name, starts] of [
    ["exec_kill", 2],
    ["exec_chain", 12],
    ["systemd_like", 2],
  ] as const) {
    const result = await run("--stats=json", "--", program, name);
    assert.equal(result.status, 0, result.stdout);
    assert.equal(result.stderr.match(/"event":"start"/g)?.length, starts, `${name}\n${result.stderr}`);
    assert.equal(result.stderr.match(/"followed":true/g)?.length, starts - 1);
  }
});

test("a program that is executed where a launcher could not start runs natively, and the statistics say so", async (context) => {
  if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
  const result = await run(
    "--stats=json",
    "--",
    await buildProgram("seccomp.c", "dynamic"),
    "exec_without_shared_memory",
  );
  assert.equal(result.status, 0, result.stdout);
  assert.match(result.stderr, /"followed":false/);
});
