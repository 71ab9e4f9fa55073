// Colour: on a terminal alone, and as the user's variables say.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { wantsColour } from "../../src/cli/colour.js";
import { packageRoot } from "../../src/host/package-root.js";

const CASES: readonly [environment: NodeJS.ProcessEnv, onTerminal: boolean, elsewhere: boolean][] = [
  [{}, true, false],
  [{ TERM: "xterm" }, true, false],
  [{ TERM: "dumb" }, false, false],
  [{ NO_COLOR: "1" }, false, false],
  [{ NO_COLOR: "0" }, false, false],
  [{ NO_COLOR: "" }, true, false],
  [{ NO_COLOR: "1", FORCE_COLOR: "1" }, false, false],
  [{ FORCE_COLOR: "1" }, true, true],
  [{ FORCE_COLOR: "0" }, false, false],
  [{ FORCE_COLOR: "", TERM: "xterm" }, true, false],
  [{ CLICOLOR_FORCE: "1" }, true, true],
  [{ CLICOLOR_FORCE: "0" }, true, false],
  [{ CLICOLOR: "0" }, false, false],
  [{ CLICOLOR: "1" }, true, false],
  [{ CLICOLOR: "0", CLICOLOR_FORCE: "1" }, true, true],
];

for (const [environment, onTerminal, elsewhere] of CASES) {
  test(JSON.stringify(environment), () => {
    assert.equal(wantsColour(environment, true), onTerminal);
    assert.equal(wantsColour(environment, false), elsewhere);
  });
}

const ESCAPE = "\u001b[";
const CLEAN = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/COLOR/.test(name)));

/** What a command writes to a pipe, both streams. */
function written(args: readonly string[], environment: NodeJS.ProcessEnv): string {
  const command = ["--import", "tsx", join(packageRoot, "src/cli/main.ts"), ...args];
  const env = { ...CLEAN, ...environment };
  const { stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8", cwd: packageRoot, env });
  return stdout + stderr;
}

/** The same on a terminal: script(1) makes one. */
function writtenToTerminal(args: readonly string[], environment: NodeJS.ProcessEnv): string {
  const line = [join(packageRoot, "bin/flicker"), ...args].map((word) => `'${word}'`).join(" ");
  const env = { ...CLEAN, TERM: "xterm", ...environment };
  return spawnSync("script", ["-qec", line, "/dev/null"], { encoding: "utf8", env, input: "" }).stdout;
}

test("messages and help are coloured on a terminal, and plain in a pipe", () => {
  for (const args of [["--no-such-option"], ["--help"], ["help", "doctor"]]) {
    const name = args.join(" ");
    assert.ok(!written(args, {}).includes(ESCAPE), `${name} in a pipe`);
    assert.ok(written(args, { FORCE_COLOR: "1" }).includes(ESCAPE), `${name} with FORCE_COLOR`);
    assert.ok(writtenToTerminal(args, {}).includes(ESCAPE), `${name} on a terminal`);
    assert.ok(!writtenToTerminal(args, { NO_COLOR: "1" }).includes(ESCAPE), `${name} with NO_COLOR`);
  }
});
