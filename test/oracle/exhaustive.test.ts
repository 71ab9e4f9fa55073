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

interface End {
  event: string;
  exe: string;
  sites: number;
  patched: number;
  doubtful: number;
  dispatched: number;
  proven: number;
  unpatchedSites: { reason: string }[];
}

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

/** What the statistics say of the end of PROGRAM, each time that it ran. */
async function endsOf(program: string, runOptions: string[], command: string[]): Promise<End[]> {
  const folder = mkdtempSync(join(tmpdir(), "flicker-exhaustive-"));
  try {
    const events = join(folder, "events");
    const { status, stderr } = spawnSync(
      await launcherPath(),
      ["run", ...runOptions, "--stats-file", events, "--", ...command],
      { encoding: "utf8" },
    );
    assert.deepEqual([status, stderr], [0, ""]);
    return readFileSync(events, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as End)
      .filter(({ event, exe }) => event === "end" && exe === program);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("sites that look like data are proven when they run, and patched", { skip }, async () => {
  const program = await buildProgram("hidden-sites.c");
  const command = [program, "many_threads"];
  const before = (await endsOf(program, [], command)).at(-1);
  const after = (await endsOf(program, options, command)).at(-1);
  // Eight threads come to one site.
  assert.deepEqual([after.proven, after.doubtful, after.sites], [1, before.doubtful - 1, before.sites]);
  assert.ok(after.dispatched >= 1 && after.dispatched <= 8, `${after.dispatched} calls were caught`);
  assert.equal(after.patched, before.patched + 1);
});

test("32-bit calls have names, and --strict refuses them", { skip }, async () => {
  const program = await buildProgram("hidden-sites.c");
  const end = (await endsOf(program, [], [program, "registers"])).at(-1);
  const reasons = end.unpatchedSites.map(({ reason }) => reason);
  assert.equal(reasons.filter((reason) => reason.startsWith("it is a 32-bit call")).length, 3);
  const { status, stderr } = spawnSync(await launcherPath(), ["run", "--strict", "--", program, "plain"], {
    encoding: "utf8",
  });
  assert.equal(status, 125);
  assert.match(stderr, /32-bit call|look like no code/);
});

test("calls of unpatched sites are counted, and execve hands the option on", { skip }, async () => {
  const program = await buildProgram("hidden-call.c");
  const ends = await endsOf(program, options, ["sh", "-c", `${program}; ${program}`]);
  assert.deepEqual(
    ends.map(({ dispatched }) => dispatched),
    [1, 1],
  );
});
