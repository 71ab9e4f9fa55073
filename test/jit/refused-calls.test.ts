// The kernel refuses one of the calls that it takes to patch generated code, each in its turn: the program's results are as ever, and
// nothing is left behind (refused-calls.c). strace comes to the program when all of it is loaded, and refuses for the kernel.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { launcherPath } from "../support/launcher.js";

const folder = new URL(".", import.meta.url).pathname;

/**
 * Each call, and every how many of them one is refused in a short test: they come in thousands, and alike. Not munmap: of a whole mapping
 * the kernel never refuses it, and what it refused would be there still.
 */
const calls: Readonly<Record<string, number>> = { mmap: 47, mprotect: 61, mremap: 7, madvise: 1 };

/** So many trampoline slots may lie elsewhere when one of them could not be had. */
const ELSEWHERE = 4;

describe("a refused call while generated code is patched", { concurrency: 2 }, () => {
  let directory = "";
  let program = "";
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "flicker-refused-"));
    program = join(directory, "refused-calls");
    execFileSync("gcc", ["-O1", "-Wall", "-o", program, join(folder, "refused-calls.c")]);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** How many mappings the program ends with. Where they are is the same in every run. @throws when a result was wrong */
  function countMappings(output: string, what: string): number {
    const mappings = /^ready\nbad 0, (\d+) mappings\n$/.exec(output)?.[1];
    assert.ok(mappings !== undefined, `${what}: ${output}`);
    return Number(mappings);
  }

  /** Runs the program with the n-th `call` refused; false when it made fewer. */
  async function refuse(call: string, n: number, command: readonly string[], mappings: number): Promise<boolean> {
    const [file = "", ...args] = command;
    const target = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], timeout: 60_000, killSignal: "SIGKILL" });
    const { pid, stdin, stdout } = target;
    assert.ok(pid !== undefined);
    const output = text(stdout);
    const end = once(target, "close");
    const trace = join(directory, `${call}.${String(n)}`);
    const options = [
      "-f",
      "-qq",
      "-o",
      trace,
      "-e",
      `trace=${call}`,
      "-e",
      `inject=${call}:error=ENOMEM:when=${String(n)}`,
    ];
    await once(stdout, "readable");
    const strace = spawn("strace", [...options, "-p", String(pid)], { stdio: "ignore" });
    const straceEnd = once(strace, "close");
    while (/^TracerPid:\t0$/m.test(readFileSync(`/proc/${String(pid)}/status`, "utf8"))) await setTimeout(2);
    stdin.end("x");
    const [status, signal] = (await end) as [number | null, string | null];
    await straceEnd;
    const what = `${call} number ${String(n)}`;
    assert.deepEqual({ status, signal }, { status: 0, signal: null }, what);
    const left = countMappings(await output, what);
    assert.ok(left <= mappings + ELSEWHERE, `${what}: ${left} mappings, without it ${mappings}`);
    const isRefused = readFileSync(trace, "utf8").includes("(INJECTED)");
    rmSync(trace);
    return isRefused;
  }

  for (const [call, stride] of Object.entries(calls))
    test(call, async () => {
      const command = ["setarch", "-R", await launcherPath(), "run", "--", program];
      const [file = "", ...args] = command;
      const mappings = countMappings(execFileSync(file, args, { input: "x", encoding: "utf8" }), "nothing refused");
      const every = process.env["FLICKER_TEST_LONG"] ? 1 : stride;
      let n = 1;
      while (await refuse(call, n, command, mappings)) n += every;
      assert.ok(n > 1, `the program makes no ${call}`);
    });
});
