// `run --hook` and `run --match` find the launcher that Node made before without starting Node, and only as long as nothing
// that it was made from has changed. Without `node` in PATH, only what is known can run.

import assert from "node:assert/strict";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";
import { productsOf } from "../../src/host/products.js";

const { launcher } = productsOf(packageRoot);
let folder: string;
let known: string;

function run(options: readonly string[], path = process.env["PATH"] ?? "", cwd = folder): SpawnSyncReturns<string> {
  return spawnSync(launcher, ["run", ...options, "--", "/bin/true"], {
    encoding: "utf8",
    timeout: 120_000,
    cwd,
    env: { ...process.env, PATH: path, XDG_CACHE_HOME: join(folder, "cache"), TMPDIR: folder },
  });
}

const HOOK = ["--hook", "hook.ts"];

function assertKnown(options: readonly string[], cwd = folder): void {
  const { status, stderr } = run(options, "/nonexistent", cwd);
  assert.equal(stderr, "");
  assert.equal(status, 0);
}

function assertUnknown(options: readonly string[], cwd = folder): void {
  const { status, stderr } = run(options, "/nonexistent", cwd);
  assert.match(stderr, /node is not in PATH/);
  assert.equal(status, 125);
}

function assertRuns(options: readonly string[]): void {
  const { status, stderr } = run(options);
  assert.equal(stderr, "");
  assert.equal(status, 0);
}

function writeHook(text: string): void {
  writeFileSync(join(folder, "hook.ts"), `import { SystemCall } from "flicker/hook";\n${text}\n`);
}

/** The one file with an answer in it. */
function answerFile(): string {
  const files = readdirSync(known);
  assert.equal(files.length, 1);
  return join(known, files[0]!);
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), "flicker-known-"));
  known = join(folder, "cache/flicker/known");
  mkdirSync(join(folder, "other"));
  writeHook(
    `import { wanted } from "./wanted";\nexport function beforeCall(call: SystemCall): void { wanted(call.number); }`,
  );
  mkdirSync(join(folder, "wanted"));
  writeFileSync(join(folder, "wanted/index.ts"), "export function wanted(number: u64): bool { return number == 1; }\n");
  // Files that were written just now may change once more without a mark.
  spawnSync("sleep", ["0.1"]);
  assertUnknown(HOOK);
  assertRuns(HOOK);
});

after(() => rmSync(folder, { recursive: true, force: true }));

test("a launcher that was made before needs no Node", () => {
  assertKnown(HOOK);
});

test("what a relative name means depends on the folder", () => {
  assertUnknown(["--hook", "../hook.ts"], join(folder, "other"));
  assertUnknown(HOOK, join(folder, "other"));
});

test("another expression is another question", () => {
  assertUnknown([...HOOK, "--match", "jump"]);
});

test("a file that is touched is looked at again, and then known", () => {
  utimesSync(join(folder, "wanted/index.ts"), 1, 1);
  assertUnknown(HOOK);
  spawnSync("sleep", ["0.1"]);
  assertRuns(HOOK);
  assertKnown(HOOK);
});

test("a file that an import would now find first is noticed", () => {
  const file = join(folder, "wanted.ts");
  writeFileSync(file, "export function wanted(number: u64): bool { return number == 2; }\n");
  assertUnknown(HOOK);
  rmSync(file);
  assertKnown(HOOK);
});

test("an answer that is damaged, that others can write to, or that is a link is not believed", () => {
  const file = answerFile();
  chmodSync(file, 0o622);
  assertUnknown(HOOK);
  chmodSync(file, 0o600);
  assertKnown(HOOK);

  renameSync(file, `${file}.moved`);
  symlinkSync(`${file}.moved`, file);
  assertUnknown(HOOK);
  rmSync(file);
  renameSync(`${file}.moved`, file);
  assertKnown(HOOK);

  truncateSync(file, 40);
  assertUnknown(HOOK);
  assertRuns(HOOK);
  truncateSync(file, 200);
  assertUnknown(HOOK);
  truncateSync(file, 0);
  assertUnknown(HOOK);
  assertRuns(HOOK);
  assertKnown(HOOK);
});

test("a launcher that is gone or not what it was is made again", () => {
  const launchers = join(folder, "cache/flicker/launchers");
  const [entry] = readdirSync(launchers);
  const made = join(launchers, entry!, "launcher");
  writeFileSync(made, "#!/bin/sh\n");
  assertUnknown(HOOK);
  assertRuns(HOOK);
  assertKnown(HOOK);
  rmSync(made);
  assertUnknown(HOOK);
  assertRuns(HOOK);
  assertKnown(HOOK);
});

test("a hook that does not compile leaves no answer", () => {
  writeHook("export function beforeCall(call: SystemCall): void { nothing(); }");
  spawnSync("sleep", ["0.1"]);
  const { status, stderr } = run(HOOK);
  assert.equal(status, 125);
  assert.match(stderr, /hook\.ts\(2,54\)/);
  assertUnknown(HOOK);
});

test("a cache that cannot be used is no place for answers", () => {
  const options = ["--match", "syscall"];
  chmodSync(join(folder, "cache"), 0o777);
  const { stderr } = run(options);
  assert.match(stderr, /cannot be used/);
  chmodSync(join(folder, "cache"), 0o700);
  assert.equal(readdirSync(known).length, 1);
  assert.ok(existsSync(answerFile()));
});
