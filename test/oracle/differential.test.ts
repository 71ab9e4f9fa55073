// The harness itself must notice what it is there for. The launchers here are shell scripts that misbehave.
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { compareRuns, type Scenario } from "./differential.js";

describe("the differential harness", () => {
  let directory = "";
  const saved = { ...process.env };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "harness-"));
    process.env["FLICKER_TEST_ARTEFACTS"] = directory;
  });
  after(async () => {
    process.env = saved;
    await rm(directory, { recursive: true, force: true });
  });

  /** What the harness says of `sh -c COMMAND` under a launcher with this body; "$@" there is the command. */
  async function complaint(body: string, scenario: Partial<Scenario> = {}): Promise<string> {
    const launcher = join(directory, "launcher");
    await writeFile(launcher, `#!/bin/sh\nfile=$3; while [ "$1" != -- ]; do shift; done; shift\n${body}\n`);
    await chmod(launcher, 0o755);
    process.env["FLICKER_LAUNCHER"] = launcher;
    const whole: Scenario = { name: "harness", command: ["sh", "-c", "echo out; echo err >&2; exit 3"], ...scenario };
    return compareRuns({ nativeStatus: "exit 3", ...whole }).then(
      () => "",
      (error: Error) => error.message,
    );
  }

  test("accepts equal runs", async () => {
    assert.equal(await complaint('exec "$@"'), "");
  });

  test("reports other output", async () => {
    assert.match(await complaint('echo extra; exec "$@"'), /stdout differs:[^]*^\+extra$/m);
    assert.match(await complaint('echo extra >&2; exec "$@"'), /stderr differs:[^]*^\+extra$/m);
  });

  test("reports another status and a signal", async () => {
    assert.match(await complaint('"$@"; exit 4'), /natively exit 3, under Flicker exit 4/);
    assert.match(await complaint('"$@"; kill -SEGV $$'), /under Flicker signal SIGSEGV/);
  });

  test("reports a hang with what the threads do, and kills them all", async () => {
    const message = await complaint("sleep 1000 & setsid sleep 1001", { timeoutMs: 500 });
    assert.match(message, /flicker: hangs/);
    assert.match(message, /process \d+: sleep 1000\n +thread \d+ sleep: state S, wchan/);
    assert.match(message, /process \d+: sleep 1001/);
  });

  test("reports processes left behind", async () => {
    assert.match(
      await complaint('sleep 1000 & until grep -q sleep /proc/$!/comm; do :; done; exec "$@"'),
      /leaves processes behind\nprocess \d+: sleep 1000/,
    );
  });

  test("reports a native run that is wrong", async () => {
    assert.match(await complaint('exec "$@"', { nativeStatus: "exit 5" }), /natively: exit 3 where exit 5 is right/);
  });

  test("compares files and what a terminal shows", async () => {
    const command: Scenario["command"] = ["sh", "-c", "read line; echo got $line; tty | tr -d 0-9; pwd > file; exit 3"];
    const scenario = { command, files: ["file"], terminal: [{ expect: "", send: "text\n" }] };
    assert.equal(await complaint('exec "$@"', scenario), "");
    assert.match(await complaint('"$@"; s=$?; echo more >> file; exit $s', scenario), /file differs:[^]*^\+more$/m);
  });

  test("misses processes in the statistics", async () => {
    const line = `echo '{"event":"start","pid":1,"exe":"/usr/bin/dash"}' > $file;`;
    assert.equal(await complaint(`${line} exec "$@"`, { processes: { dash: 1 } }), "");
    assert.match(
      await complaint(`${line} exec "$@"`, { processes: { dash: 2 } }),
      /dash is executed 2 times, but listed 1/,
    );
  });
});
