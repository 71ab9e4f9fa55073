// `--exhaustive` with programs whose code is made at run time: test/programs/packed.c does what a packer's stub does. Small cases
// are in hidden-sites.c and user-dispatch.c.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildProgram, type Variant } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { compareRuns, type Scenario } from "./differential.js";

const skip = isNativeStandIn() && "the native stand-in knows no options";
const options = ["--exhaustive"];

/** A program as the stub of a packer runs it: from anonymous memory, as its interpreter is. */
async function packed(program: string, ...argv: string[]): Promise<Scenario["command"]> {
  return [await buildProgram("packed.c", "bare-pie"), program, ...argv];
}

async function packedTarget(source: string, variant: Variant): Promise<Scenario["command"]> {
  const target = await buildProgram(source, variant);
  return packed(target, target);
}

describe("packed programs", { skip, concurrency: 2 }, () => {
  for (const variant of ["dynamic", "static", "static-pie"] as const) {
    for (const source of ["hidden-sites.c", "user-dispatch.c", "threads.c", "signal-actions.c", "processes.c"]) {
      test(`${source} (${variant})`, async () => {
        const command = await packedTarget(source, variant);
        // Its cases are its own executions: it runs them all.
        await compareRuns({
          name: `packed ${source} ${variant}`,
          command,
          options,
          stdin: "first line\nsecond line\n",
        });
      });
    }
  }

  test("a shell that executes other programs, which are followed", async () => {
    const script =
      "for i in 1 2 3; do echo $i | cat | tr 1 2; done; sh -c 'exit 3'; echo $?; (exit 4) & wait $!; echo $?";
    const command = await packed("/bin/bash", "bash", "-c", script);
    const processes = { packed: 1, cat: 3, tr: 3, dash: 1 };
    await compareRuns({ name: "packed bash", command, options, processes });
  });

  test("an interpreter with threads and child processes", async () => {
    const script = [
      "import subprocess, threading",
      "def run(i): results[i] = subprocess.run(['echo', str(i)], capture_output=True, text=True).stdout",
      "results = [None] * 8",
      "threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]",
      "[t.start() for t in threads]; [t.join() for t in threads]",
      "print(results)",
    ].join("\n");
    const command = await packed("/usr/bin/python3", "python3", "-c", script);
    await compareRuns({ name: "packed python", command, options, processes: { packed: 1, echo: 8 } });
  });
});

test("calls of unpatched sites are counted, and execve hands the option on", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "flicker-exhaustive-"));
  try {
    const program = await buildProgram("hidden-call.c");
    const events = join(folder, "events");
    const { status, stderr } = spawnSync(
      await launcherPath(),
      ["run", ...options, "--stats-file", events, "--", "sh", "-c", `${program}; ${program}`],
      { encoding: "utf8" },
    );
    assert.deepEqual([status, stderr], [0, ""]);
    const ends = readFileSync(events, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; exe: string; dispatched: number })
      .filter(({ event, exe }) => event === "end" && exe === program);
    assert.deepEqual(
      ends.map(({ dispatched }) => dispatched),
      [1, 1],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
