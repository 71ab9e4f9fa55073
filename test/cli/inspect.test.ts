// `flicker inspect` at the command line: what it prints, where, and with which status. What it finds: test/host/inspection.test.ts.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-inspect-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** As installed: the disassembler and the demangler are loaded by plain Node there. */
const main = [join(packageRoot, "dist/src/cli/main.js")];

function inspect(args: readonly string[], env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: "1" }) {
  return spawnSync(process.execPath, [...main, "inspect", ...args], { encoding: "utf8", env, cwd: packageRoot });
}

const LD = "/lib64/ld-linux-x86-64.so.2";
const skip = existsSync(LD) ? false : `${LD} is not installed`;
const elf = skip ? Buffer.alloc(0) : readFileSync(LD);

function changed(name: string, change: (bytes: Buffer) => Buffer | void): string {
  const bytes = Buffer.from(elf);
  const path = join(folder, name);
  writeFileSync(path, change(bytes) ?? bytes);
  return path;
}

test("a summary, and a row for each site with address, offset, tactic and function", { skip }, () => {
  const { status, stdout, stderr } = inspect([LD]);
  assert.deepEqual([status, stderr], [0, ""]);
  assert.match(stdout, new RegExp(`^${LD}\n`));
  assert.match(stdout, /^ {2}candidates +\d+: \d+ system calls, \d+ inside other instructions, \d+ doubtful$/m);
  assert.match(stdout, /^ {2}mappings +\d+ more than natively: .* of vm\.max_map_count/m);
  assert.match(stdout, /^ +[0-9a-f]+ +[0-9a-f]+ +T[123] +\S+\+0x[0-9a-f]+$/m);
  assert.doesNotMatch(stdout, / $/m);
});

test("--json: one object a line, with the members that docs/inspect.md names", { skip }, () => {
  const { status, stdout } = inspect(["--json", LD, "[vdso]"]);
  assert.equal(status, 0);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 2);
  const page = readFileSync(join(packageRoot, "docs/inspect.md"), "utf8");
  const checkNames = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value.slice(0, 3)) checkNames(each);
    else if (typeof value === "object" && value !== null) {
      for (const [name, member] of Object.entries(value)) {
        assert.ok(page.includes(`\`${name}\``), `docs/inspect.md does not name ${name}`);
        checkNames(member);
      }
    }
  };
  for (const line of lines) checkNames(JSON.parse(line));
  const site = (JSON.parse(lines[0]!) as { list: { address: string }[] }).list[0]!;
  const view = inspect(["--json", "--site", site.address, LD]);
  assert.equal(view.status, 0);
  checkNames(JSON.parse(view.stdout));
});

test("--limit, --tactic, --sort, --problems choose the rows", { skip }, () => {
  const rows = (...args: string[]): string[] =>
    inspect([...args, LD])
      .stdout.split("\n")
      .filter((line) => /^ +[0-9a-f]+ +[0-9a-f]+ +\w\w /.test(line));
  assert.equal(rows("--limit", "3").length, 3);
  assert.match(inspect(["--limit", "3", LD]).stdout, /^ {2}\d+ more: --all shows them$/m);
  const all = rows();
  assert.ok(all.length > 10);
  assert.deepEqual(
    rows("--tactic", "T3"),
    all.filter((row) => / T3 /.test(row)),
  );
  assert.deepEqual(rows("--problems"), []);
  assert.deepEqual(rows("--sort", "tactic").sort(), [...all].sort());
});

test("--site shows the code before and after", { skip }, () => {
  const { list } = JSON.parse(inspect(["--json", LD]).stdout) as { list: { address: string; tactic: string }[] };
  const address = list.find(({ tactic }) => tactic === "T2")!.address;
  const { status, stdout } = inspect(["--site", address, LD]);
  assert.equal(status, 0);
  assert.match(stdout, /^before\n(.*\n)*?> +[0-9a-f]+ {2}0f 05 +syscall$/m);
  assert.match(stdout, /^after .*\n(.*\n)*?> +[0-9a-f]+ .* jmp .*# trampoline of the site$/m);
  assert.match(stdout, /^trampoline of the site\n/m);
  assert.match(stdout, /^ +ww ww ww/m);
});

test("several files: one line each and a sum; --libraries adds what a program loads", { skip }, () => {
  const two = inspect([LD, "[vdso]"]);
  assert.equal(two.status, 0);
  assert.match(two.stdout, /^ +SITES .* FILE$/m);
  assert.match(two.stdout, / all\n$/);
  const { stdout } = inspect(["--libraries", "sh"]);
  assert.match(stdout, /libc\.so\.6$/m);
});

test("a file that cannot be inspected is one line and status 125; the others are shown", { skip }, () => {
  const script = join(folder, "script");
  writeFileSync(script, "#!/bin/sh -e\n");
  const unreadable = changed("unreadable", () => {});
  chmodSync(unreadable, 0);
  const cases: [string, RegExp][] = [
    ["/nonexistent", /No such file or directory/],
    ["no-such-program", /not found in the current folder or PATH/],
    ["", /a file's name is empty/],
    [folder, /Is a directory/],
    ["/dev/null", /not a regular file/],
    [join(packageRoot, "package.json"), /not an ELF file/],
    [script, /a script; inspect its interpreter, \/bin\/sh$/],
    [changed("empty", () => Buffer.alloc(0)), /empty file/],
    [changed("short", (bytes) => bytes.subarray(0, 40)), /truncated/],
    [changed("cut", (bytes) => bytes.subarray(0, 5000)), /truncated/],
    [changed("class", (bytes) => void bytes.writeUInt8(1, 4)), /not a 64-bit x86 program \(it is for x32\)/],
    [changed("arm", (bytes) => void bytes.writeUInt16LE(183, 18)), /it is for AArch64/],
    [changed("object", (bytes) => void bytes.writeUInt16LE(1, 16)), /a relocatable object/],
    [changed("core", (bytes) => void bytes.writeUInt16LE(4, 16)), /a core dump/],
    [changed("none", (bytes) => void bytes.writeUInt16LE(0, 56)), /no program headers/],
    [changed("memsz", (bytes) => void bytes.writeBigUInt64LE(0n, 64 + 40)), /cannot be mapped|truncated/],
  ];
  if (process.getuid?.() !== 0) cases.push([unreadable, /Permission denied/]);
  for (const [path, reason] of cases) {
    const { status, stdout, stderr } = inspect([path]);
    assert.deepEqual([status, stdout], [125, ""], path);
    assert.match(stderr.trimEnd(), reason);
    assert.match(stderr, /^flicker: [^\n]*\n$/, path);
  }
  const mixed = inspect(["/nonexistent", LD]);
  assert.equal(mixed.status, 125);
  assert.match(mixed.stdout, / all\n$/);
});

test("options that make no sense are one line", () => {
  for (const args of [[], ["--limit", "x", LD], ["--tactic", "Q", LD], ["--sort", "size", LD], ["--nope"]]) {
    const { status, stderr } = inspect(args);
    assert.equal(status, 125);
    assert.match(stderr, /^flicker: [^\n]*\n$/);
  }
});

test("colour when it is asked for, and never with NO_COLOR", { skip }, () => {
  const env = { ...process.env, FORCE_COLOR: "1" };
  delete (env as NodeJS.ProcessEnv)["NO_COLOR"];
  assert.ok(inspect(["--limit", "1", LD], env).stdout.includes("\x1b["));
  assert.ok(!inspect(["--limit", "1", LD], { ...env, NO_COLOR: "1" }).stdout.includes("\x1b["));
});

test("a reader that has had enough is no error", { skip }, () => {
  const command = [process.execPath, ...main, "inspect", LD].map((word) => `'${word}'`).join(" ");
  const { stderr } = spawnSync("sh", ["-c", `${command} | head -1`], { encoding: "utf8", cwd: packageRoot });
  assert.equal(stderr, "");
});

test("--match: a row for each instruction, and how many there are", { skip }, () => {
  const { status, stdout, stderr } = inspect(["--match", "syscall", "--limit", "2", LD]);
  assert.deepEqual([status, stderr], [0, ""]);
  const lines = stdout.split("\n");
  assert.equal(lines[0], LD);
  assert.match(lines[1]!, /^ +[0-9a-f]+ {2}0f 05 +syscall +# \S+$/);
  assert.match(lines[3]!, /^ {2}\d+ more: --all shows them$/);
  assert.match(lines[4]!, /^ {2}\d+ of \d+ instructions$/);
});

test("--match --json: one object for each file, with the members that docs/matching.md names", { skip }, () => {
  const { status, stdout } = inspect(["--match", "syscall", "--json", LD, LD, "[vdso]"]);
  assert.equal(status, 0);
  const [first, second, ...rest] = stdout.trimEnd().split("\n");
  assert.deepEqual(rest, []);
  const found = JSON.parse(first!) as Record<string, unknown> & { list: Record<string, unknown>[] };
  assert.equal(found["matched"], found.list.length);
  assert.equal(found["match"], "syscall");
  assert.ok(found.list.every(({ bytes, text }) => bytes === "0f05" && text === "syscall"));
  const page = readFileSync(join(packageRoot, "docs/matching.md"), "utf8");
  for (const name of [...Object.keys(found), ...Object.keys(found.list[0]!)])
    assert.ok(page.includes(`\`${name}\``), name);
  assert.equal((JSON.parse(second!) as { file: string }).file, "[vdso]");
});

test("--match: several files end with their sum", { skip }, () => {
  const { stdout } = inspect(["--match", "syscall", LD, "[vdso]"]);
  assert.match(stdout, /\n {2}MATCHED {2}INSTRUCTIONS {2}FILE\n(.*\n){2} +\d+ +\d+ {2}all\n$/);
});

test("--match: a mistake is shown where it is; nothing else is printed", { skip }, () => {
  const { status, stdout, stderr } = inspect(["--match", "load and strore", LD]);
  assert.deepEqual([status, stdout], [125, ""]);
  assert.equal(
    stderr,
    "flicker: --match, column 10: no name strore; did you mean store?\n  load and strore\n           ^~~~~~\n",
  );
  const conflict = inspect(["--match", "load", "--problems", LD]);
  assert.equal(conflict.status, 125);
  assert.match(conflict.stderr, /--match.* cannot be used with .*--problems/);
});
