// `flicker cover` beside valgrind, which names every instruction that a program executes; and over processes, threads, libraries.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { gapsOf, imagesOf } from "../../src/host/cover/session.js";
import { expressionOfGlobs } from "../../src/host/cover/glob.js";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import "../hook/hooked.js";
import { readDrcov } from "./read-drcov.js";

const skip = isNativeStandIn() && "the native stand-in knows no options";
const valgrind = spawnSync("valgrind", ["--version"]).error === undefined;
const skipValgrind = skip || (!valgrind && "valgrind is missing");

const folder = mkdtempSync(join(tmpdir(), "flicker-cover-test-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

async function cover(options: readonly string[], command: readonly string[], cwd = folder) {
  const run = spawnSync(await launcherPath(), ["cover", ...options, "--", ...command], {
    ...{ encoding: "utf8", timeout: 120_000, cwd },
  });
  return { status: run.status, signal: run.signal, stdout: run.stdout, stderr: run.stderr };
}

interface BlockObject {
  readonly file: string;
  readonly address: string;
  readonly size: number;
  readonly count: number;
  readonly function: string | null;
}

async function blocksOf(command: readonly string[], ...options: readonly string[]): Promise<BlockObject[]> {
  const { stderr } = await cover(["--json", ...options], command);
  return stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as BlockObject);
}

/** Start and end of a function, by nm. */
function rangeOf(program: string, name: string): { start: number; end: number } {
  const { stdout } = spawnSync("nm", ["-S", program], { encoding: "utf8" });
  const [, start, size] = new RegExp(`^([0-9a-f]+) ([0-9a-f]+) . ${name}$`, "m").exec(stdout) ?? assert.fail(name);
  return { start: parseInt(start!, 16), end: parseInt(start!, 16) + parseInt(size!, 16) };
}

/** How often each instruction of a program at fixed addresses is executed. */
function executedBy(command: readonly string[]): Map<number, number> {
  const { stderr } = spawnSync("valgrind", ["--tool=lackey", "--trace-mem=yes", ...command], {
    ...{ encoding: "utf8", maxBuffer: 1 << 28 },
  });
  const counts = new Map<number, number>();
  for (const [, address] of stderr.matchAll(/^I +([0-9a-f]+),/gm)) {
    const at = parseInt(address!, 16);
    counts.set(at, (counts.get(at) ?? 0) + 1);
  }
  return counts;
}

for (const cases of [["0"], ["2", "5"], ["9", "3", "6", "77"]]) {
  test(`the blocks of a switch are those that valgrind sees: ${cases.join(" ")}`, { skip: skipValgrind }, async () => {
    const program = await buildProgram("covered.c", "fixed");
    const command = [program, "cases", ...cases];
    const executed = executedBy(command);
    const covered = new Set<number>();
    for (const { address, size, count } of await blocksOf(command, "--file", basename(program))) {
      const start = Number(address);
      assert.equal(count, executed.get(start), `block ${address}`);
      for (let at = start; at < start + size; at++) covered.add(at);
    }
    for (const name of ["kind", "main", "in_child"]) {
      const { start, end } = rangeOf(program, name);
      const missing = [...executed.keys()].filter((at) => at >= start && at < end && !covered.has(at));
      assert.deepEqual(missing, [], name);
    }
  });
}

test("one drcov file for each process image, as DynamoRIO names them", { skip }, async () => {
  const program = await buildProgram("covered.c");
  const here = mkdtempSync(join(folder, "files-"));
  const { status, stderr } = await cover(["-o", here], [program, "children", program]);
  assert.equal(status, 7, stderr);
  // The program, three children, and what one of those executes.
  const names = readdirSync(here);
  assert.equal(names.length, 5);
  const { start, end } = rangeOf(program, "in_child");
  let inChild = 0;
  for (const name of names) {
    assert.match(name, /^drcov\..+\.\d{5,}\.000\d\.proc\.log$/);
    const { modules, blocks } = readDrcov(join(here, name));
    const own = modules.find(({ path }) => path === program) ?? assert.fail(name);
    const inside = blocks.filter(({ module, offset }) => module === own.id && offset >= start && offset < end);
    if (inside.length > 0) inChild += 1;
    const others = modules.map(({ path }) => basename(path));
    assert.ok(
      others.some((path) => path.startsWith("libc.so")),
      others.join(),
    );
  }
  assert.equal(inChild, 2);
});

test("-o FILE and --merge put all processes together", { skip }, async () => {
  const program = await buildProgram("covered.c");
  const here = mkdtempSync(join(folder, "merged-"));
  const file = join(here, "all.drcov");
  await cover(["-o", file], [program, "children", program], here);
  await cover(["--merge"], [program, "children", program], here);
  const [first, ...others] = readdirSync(here).sort();
  assert.equal(first, "all.drcov");
  assert.equal(others.length, 1);
  for (const name of [first, ...others]) {
    const { modules, blocks } = readDrcov(join(here, name));
    const own = modules.findIndex(({ path }) => path === program);
    for (const name of ["in_child", "kind", "main"]) {
      const { start, end } = rangeOf(program, name);
      assert.ok(
        blocks.some(({ module, offset }) => module === own && offset >= start && offset < end),
        name,
      );
    }
  }
});

test("threads, and libraries that come later", { skip }, async () => {
  const program = await buildProgram("covered.c");
  const library = await buildProgram("covered-library.c", "shared");
  const inThreads = await blocksOf([program, "threads"], "--file", program);
  const main = inThreads.find((block) => block.function === "in_thread");
  assert.equal(main?.count, 4);
  const inLibrary = await blocksOf(
    [program, "library", library],
    "--file",
    `*/${basename(library)}`,
    "--file",
    library,
  );
  assert.deepEqual([...new Set(inLibrary.map(({ file }) => file))], [library]);
  const functions = new Set(inLibrary.map((block) => block.function));
  assert.ok(functions.has("in_library") && !functions.has("not_called"));
});

test("a summary, by file and by function; the program's status", { skip }, async () => {
  const program = await buildProgram("covered.c");
  const byFile = await cover(["-o", "sums.drcov"], ["sh", "-c", `${program} cases 5; exit 3`]);
  assert.equal(byFile.status, 3);
  const lines = byFile.stderr.trimEnd().split("\n");
  assert.match(lines[0]!, /^executed +blocks +file$/);
  assert.match(byFile.stderr, /^ +\d+ +\d+ +\d+\.\d % {2}\/.*\/libc\.so\.6$/m);
  assert.match(lines.at(-2), /^\d+ of \d+ blocks in 4 files \(\d+\.\d %\)$/);
  assert.equal(lines.at(-1), "written to sums.drcov");
  const options = ["--per-function", "-o", "sums.drcov", "--file", program];
  const byFunction = await cover(options, [program, "cases", "5"]);
  assert.match(byFunction.stderr, /^ +\d+ +\d+ +\d+\.\d % {2}\S+ +kind$/m);
  assert.doesNotMatch(byFunction.stderr, /in_child/);
  const aborted = await cover(["-o", "sums.drcov"], [program, "abort"]);
  assert.equal(aborted.signal, "SIGABRT");
  assert.match(aborted.stderr, /written to sums.drcov/);
});

test("objects for functions have those that did not run, too", { skip }, async () => {
  const program = await buildProgram("covered.c");
  const { stderr } = await cover(["--json", "--per-function", "--file", program], [program, "cases", "5"]);
  const functions = stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { function: string | null; executed: number; blocks: number });
  const of = (name: string) => functions.find((each) => each.function === name) ?? assert.fail(name);
  assert.equal(of("in_child").executed, 0);
  assert.ok(of("kind").executed > 0 && of("kind").executed < of("kind").blocks);
});

test("what is wrong is said before the program runs", { skip }, async () => {
  const wrong = async (...options: string[]): Promise<string> => {
    const { status, stdout, stderr } = await cover(options, ["echo", "ran"]);
    assert.equal(status, 125);
    assert.equal(stdout, "");
    return stderr;
  };
  assert.match(await wrong("-o", "/nonexistent/file"), /^flicker: \/nonexistent\/file: .*no such file/);
  assert.match(await wrong("--format", "html"), /--format/);
  assert.match(await wrong("--files", "x"), /did you mean --file/);
});

test("globs", () => {
  assert.equal(expressionOfGlobs([]), null);
  assert.equal(
    expressionOfGlobs(["libc.so*", "/usr/**/[!a]?"]),
    'file ~ "(^|/)libc\\.so[^/]*$" or file ~ "^/usr/.*/[^a][^/]$"',
  );
});

test("an image that says its counts twice is one image", () => {
  const line = (pid: number, count: number): string =>
    JSON.stringify({ event: "counts", pid, exe: "/a", file: "/b", bias: "0x10", counts: [["0x1", count]] });
  const start = JSON.stringify({ event: "start", pid: 7, exe: "/a" });
  const images = imagesOf([start, line(7, 3), line(7, 5), line(8, 1), start, line(7, 2)]);
  assert.deepEqual(
    images.map(({ pid, files }) => [pid, files.get("/b")!.bias, files.get("/b")!.counts.get(1)]),
    [
      [7, 16n, 5],
      [8, 16n, 1],
      [7, 16n, 2],
    ],
  );
});

test("what is missing is what the worst image has said", () => {
  const end = (filesWithoutTable: number, unpatched: number, refused: number): string =>
    JSON.stringify({ event: "end", pid: 1, exe: "/a", instructions: { filesWithoutTable, unpatched, refused } });
  assert.deepEqual(gapsOf(["", end(0, 0, 0)]), { isIncomplete: false, unpatched: 0 });
  assert.deepEqual(gapsOf([end(1, 3, 1), end(0, 2, 0)]), { isIncomplete: true, unpatched: 4 });
});
