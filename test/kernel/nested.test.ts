// Flicker under Flicker: a launcher cannot load itself as a program (it owns gs base), so it hands over to the inner one,
// which runs the program and all that it starts.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

async function run(...command: string[]): Promise<{ stdout: string; stderr: string; status: number | null }> {
  const launcher = await launcherPath();
  const words = command.map((word) => word.replaceAll("FLICKER", launcher));
  return spawnSync(launcher, words, { encoding: "utf8" });
}

for (const [name, command] of [
  ["on the command line", ["run", "--", "FLICKER", "run", "--stats", "--", "echo", "inner"]],
  ["without run", ["FLICKER", "run", "--stats", "--", "echo", "inner"]],
  ["in a shell", ["run", "--", "sh", "-c", "FLICKER run --stats -- sh -c 'echo inner'"]],
] as const)
  test(`flicker under flicker, ${name}`, async (context) => {
    if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
    const { stdout, stderr, status } = await run(...command);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, "inner\n");
    // Once: the outer one has no part in it.
    assert.equal(stderr.match(/ end status 0: /g)?.length, 1, stderr);
  });

test("what is ignored stays so for the inner one", async (context) => {
  if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
  const launcher = await launcherPath();
  const script = `trap '' SEGV TRAP USR1; exec ${launcher} ${launcher} bash -c 'trap'`;
  const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
  assert.equal(stdout, "trap -- '' SIGTRAP\ntrap -- '' SIGUSR1\ntrap -- '' SIGSEGV\n", stderr);
});
