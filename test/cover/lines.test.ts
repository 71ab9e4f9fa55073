// `flicker cover --format lcov` beside gcov: the same program, compiled with --coverage, says itself which lines ran and how often. And
// the line tables of each version of DWARF beside readelf's reading of them.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { readLineTable } from "../../src/host/cover/line-table.js";
import { readElfFile } from "../../src/host/elf-file.js";
import { cover } from "../../src/index.js";
import { programsDirectory } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import "../hook/hooked.js";

const skip = isNativeStandIn() && "the native stand-in knows no options";
const hasLcov = spawnSync("lcov", ["--version"]).error === undefined;

const folder = mkdtempSync(join(tmpdir(), "flicker-cover-lines-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Runs a tool in the test's folder. */
function tool(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", cwd: folder });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function coverLines(options: readonly string[], command: readonly string[]) {
  const args = ["cover", "--format", "lcov", ...options, "--", ...command];
  return spawnSync(await launcherPath(), args, { encoding: "utf8", cwd: folder, timeout: 120_000 });
}

/** Lines and functions of a source in a tracefile, with their executions. */
function readTracefile(text: string, source: string): { lines: Map<number, number>; functions: Map<string, number> } {
  const record = text.split("end_of_record\n").find((each) => each.includes(`\nSF:${source}\n`)) ?? assert.fail(text);
  const all = (pattern: RegExp): RegExpExecArray[] => [...record.matchAll(pattern)];
  return {
    lines: new Map(all(/^DA:(\d+),(\d+)$/gm).map(([, line, count]) => [Number(line), Number(count)])),
    functions: new Map(all(/^FNDA:(\d+),(.+)$/gm).map(([, count, name]) => [name!, Number(count)])),
  };
}

/** What gcov says: lines that are code, with their executions. */
function readGcov(text: string): Map<number, number> {
  const rows = [...text.matchAll(/^ *([#=]+|\d+)\*?: *(\d+):/gm)];
  return new Map(rows.map(([, count, line]) => [Number(line), /\d/.test(count!) ? Number(count) : 0]));
}

const source = join(folder, "covered.c");
copyFileSync(join(programsDirectory, "covered.c"), source);
const text = readFileSync(source, "utf8").split("\n");
const flags = ["-g", "-O0", "-pthread", "-D_GNU_SOURCE"];

for (const args of [["cases", "0", "5"], ["cases", "2", "9", "6", "77"], ["threads"], ["cases"]]) {
  test(`lines run as often as gcov says: ${args.join(" ")}`, { skip }, async () => {
    tool("gcc", ...flags, "-o", "plain", "covered.c");
    tool("gcc", ...flags, "--coverage", "-o", "counting", "covered.c");
    tool("./counting", ...args);
    tool("gcov", "counting-covered.gcda");
    rmSync(join(folder, "counting-covered.gcda"));
    const theirs = readGcov(readFileSync(join(folder, "covered.c.gcov"), "utf8"));
    const { stderr } = await coverLines(["-o", "out.info", "--file", "plain"], [join(folder, "plain"), ...args]);
    assert.match(stderr, /^ +\d+ +\d+ +\d+\.\d % {2}\/.*\/covered\.c$/m);
    const ours = readTracefile(readFileSync(join(folder, "out.info"), "utf8"), source).lines;
    for (const [line, count] of ours) {
      // gcov has no line for the end of a function.
      if (theirs.has(line)) assert.equal(count, theirs.get(line), `line ${line}`);
      else assert.equal(text[line - 1], "}");
    }
    // A label is no code: gcov gives it the count of what follows.
    for (const line of theirs.keys()) if (!ours.has(line)) assert.match(text[line - 1]!, /^ *(case \d+|default):$/);
    assert.ok(ours.size > 40, `only ${ours.size} lines`);
  });
}

test("lcov reads it, and finds its sums", { skip: skip || (!hasLcov && "lcov is missing") }, async () => {
  tool("gcc", ...flags, "-o", "plain", "covered.c");
  await coverLines(["--file", "plain"], [join(folder, "plain"), "cases", "5"]);
  const { lines, functions } = readTracefile(readFileSync(join(folder, "coverage.info"), "utf8"), source);
  assert.deepEqual([functions.get("kind"), functions.get("main"), functions.get("in_child")], [1, 1, 0]);
  const executed = [...lines.values()].filter((count) => count > 0).length;
  const summary = spawnSync("lcov", ["--summary", "coverage.info"], { encoding: "utf8", cwd: folder });
  const said = summary.stdout + summary.stderr;
  assert.ok(said.includes(`(${executed} of ${lines.size} lines)`), said);
  assert.ok(said.includes(`(2 of ${functions.size} functions)`), said);
  tool("genhtml", "-q", "coverage.info", "-o", "html");
});

test("a program without line information", { skip }, async () => {
  tool("gcc", "-O0", "-pthread", "-D_GNU_SOURCE", "-o", "stripped", "-s", "covered.c");
  const { status, stderr } = await coverLines(["--file", "stripped"], [join(folder, "stripped"), "cases"]);
  assert.equal(status, 0);
  assert.equal(stderr, "no file has line information (gcc -g)\nwritten to coverage.info\n");
  assert.equal(readFileSync(join(folder, "coverage.info"), "utf8"), "");
});

test("cover() of the API", { skip }, async () => {
  tool("gcc", ...flags, "-o", "plain", "covered.c");
  const program = join(folder, "plain");
  const { outcome, files, drcov, lcov } = await cover([program, "cases", "5"], { files: [program] });
  assert.deepEqual(outcome, { status: 0, signal: null });
  assert.deepEqual(
    files.map(({ path }) => path),
    [program],
  );
  const [{ blocks, known }] = files as [(typeof files)[0]];
  assert.ok(blocks.length > 5 && blocks.length < known);
  assert.ok(Buffer.from(drcov()).toString("latin1").includes(`BB Table: ${blocks.length} bbs\n`));
  assert.equal(readTracefile(lcov(), source).functions.get("main"), 1);
});

const KINDS = [
  ...["2", "3", "4", "5"].map((version) => [`DWARF ${version}`, "gcc", `-gdwarf-${version}`] as const),
  ["DWARF 5 of 64 bits", "gcc", "-gdwarf-5", "-gdwarf64"],
  ["compressed", "gcc", "-g", "-gz"],
  ["optimised", "gcc", "-g", "-O2"],
  ["of clang", "clang", "-g", "-O0"],
  ["of clang, DWARF 4", "clang", "-gdwarf-4", "-O0"],
] as const;

for (const [name, compiler, ...options] of KINDS) {
  const missing = spawnSync(compiler, ["--version"]).error !== undefined && `${compiler} is missing`;
  test(`line tables: ${name}`, { skip: missing }, () => {
    writeFileSync(join(folder, "part.h"), "static inline int twice(int n) {\n  return n * 2;\n}\n");
    writeFileSync(
      join(folder, "part.c"),
      '#include "part.h"\n#include <stdlib.h>\nint main(int n, char **v) {\n  int s = 0;\n' +
        "  for (int i = 0; i < n; i++)\n    s += twice(atoi(v[i]));\n  return s;\n}\n",
    );
    tool(compiler, ...options, "-o", "lines", "part.c");
    const rows = readLineTable(readElfFile(join(folder, "lines")));
    for (const { file } of rows) assert.ok(file.startsWith("/"), file);
    assert.ok(rows.some(({ file, line }) => file === join(folder, "part.c") && line === 6));
    assert.ok(rows.some(({ file, line }) => file === join(folder, "part.h") && line === 2));
    const place = (file: string, line: number, address: number): string =>
      `${basename(file)}:${line} 0x${address.toString(16)}`;
    // File, line, address, perhaps a view, and x where a statement begins.
    const listed = tool("readelf", "--debug-dump=decodedline", "lines").matchAll(
      /^(\S+) +(\d+) +0x([0-9a-f]+)(?: +\d+)? +x(?: |$)/gm,
    );
    const theirs = new Set([...listed].map(([, file, line, at]) => place(file!, Number(line), parseInt(at!, 16))));
    const ours = new Set(rows.map(({ file, line, address }) => place(file, line, address)));
    assert.deepEqual([...ours].sort(), [...theirs].sort());
  });
}
