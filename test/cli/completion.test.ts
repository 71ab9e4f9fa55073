// Shell completion: that each option and command is in each script, and that real shells offer what they should.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { completionScript, SHELLS } from "../../src/cli/completion-scripts.js";
import { wordsOf } from "../../src/cli/completion-words.js";
import { createProgram } from "../../src/cli/program.js";
import { packageRoot } from "../../src/host/package-root.js";
import { complete, hasShell } from "../support/complete.js";

const words = wordsOf(createProgram());
const folder = mkdtempSync(join(tmpdir(), "flicker-completion-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "readable"), "");
mkdirSync(join(folder, "reading-room"));

const optionsOf = (command: string): string[] =>
  (words.commands.find(({ name }) => name === command)?.options ?? []).flatMap(({ flags }) => flags);
const longOptionsOf = (command: string): string[] => optionsOf(command).filter((flag) => flag.startsWith("--"));

test("the words are those of commander's table", () => {
  assert.deepEqual(
    words.commands.map(({ name }) => name),
    createProgram().commands.map((command) => command.name()),
  );
  const run = words.commands.find(({ name }) => name === "run");
  assert.deepEqual(run?.argument, { kind: "program" });
  const stats = run.options.find(({ flags }) => flags.includes("--stats"));
  assert.deepEqual([stats?.value, stats?.isValueOptional], [{ kind: "words", words: ["text", "json"] }, true]);
  assert.ok(optionsOf("run").includes("-h"));
});

test("flicker completion prints the script; nothing else is on standard output", () => {
  for (const shell of SHELLS) {
    const args = ["--import", "tsx", join(packageRoot, "src/cli/main.ts"), "completion", shell];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8", cwd: packageRoot });
    assert.deepEqual([status, stdout], [0, completionScript(shell, words)]);
  }
});

for (const shell of SHELLS) {
  const skip = hasShell(shell) ? false : `${shell} is not installed`;
  const script = completionScript(shell, words);
  const offers = (line: string): string[] => complete(shell, script, line, folder);
  const includes = (line: string, ...wanted: string[]): void => {
    const offered = offers(line);
    for (const word of wanted) assert.ok(offered.includes(word), `${line}: ${word} is not among ${offered.join(" ")}`);
  };

  test(`${shell}: the first word is a command, a program or an option`, { skip }, () => {
    includes("flicker doct", "doctor");
    includes("flicker compl", "completion");
    includes("flicker head", "head");
    includes("flicker --", "--help", "--version");
  });

  test(`${shell}: every option of every command`, { skip }, () => {
    for (const { name } of words.commands) includes(`flicker ${name} --`, ...longOptionsOf(name));
  });

  test(`${shell}: values of options and arguments`, { skip }, () => {
    const isJoined = shell === "fish";
    assert.deepEqual(offers("flicker run --stats=j"), [isJoined ? "--stats=json" : "json"]);
    includes("flicker run --stats-file rea", "readable");
    includes("flicker run --stats-file=reada", isJoined ? "--stats-file=readable" : "readable");
    assert.deepEqual(offers("flicker completion "), ["bash", "fish", "zsh"]);
    includes("flicker help do", "doctor");
  });

  test(
    `${shell}: behind run's options, behind -- and behind a program's name the program is completed`,
    { skip },
    () => {
      for (const front of [
        "flicker run",
        "flicker run --stats",
        "flicker run --stats=json --",
        "flicker fault read:error=EIO --",
        "flicker --",
        "flicker",
      ]) {
        includes(`${front} head`, "head");
        includes(`${front} cat reada`, "readable");
      }
      includes("flicker run --stats-file x cat reada", "readable");
      // Options of the program's are not Flicker's.
      for (const line of ["flicker cat --", "flicker run cat --", "flicker run -- cat --"]) {
        assert.ok(!offers(line).includes("--count-calls"), line);
      }
    },
  );
}

const BASH_COMPLETION = "/usr/share/bash-completion/bash_completion";
test(
  "bash with bash-completion: a program's own completion",
  { skip: existsSync(BASH_COMPLETION) ? false : "bash-completion is not installed" },
  () => {
    const script = `source ${BASH_COMPLETION}\n${completionScript("bash", words)}`;
    // The completion of `timeout` comes from its --help.
    for (const line of [
      "flicker timeout --kill",
      "flicker run -- timeout --kill",
      "flicker run --stats=json timeout --k",
    ]) {
      assert.ok(
        complete("bash", script, line, folder).some((word) => /^--kill-after=?$/.test(word)),
        line,
      );
    }
  },
);
