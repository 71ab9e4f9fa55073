// `--strict`: what Flicker cannot answer for ends the process before the file's code can run, with one line that names it;
// and ordinary programs have nothing of the kind.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { compareRuns, type Scenario } from "./differential.js";

const skip = isNativeStandIn() && "the native stand-in knows no options";

async function run(options: string[], command: string[]) {
  return spawnSync(await launcherPath(), ["run", ...options, "--", ...command], { encoding: "utf8" });
}

/** Where a symbol's code is in its file: what objdump says of the whole file, section by section. */
function fileOffsetOf(file: string, symbol: string): number {
  const address = Number.parseInt(
    execFileSync("nm", [file], { encoding: "utf8" }).match(new RegExp(`^(\\w+) \\w ${symbol}$`, "m"))![1]!,
    16,
  );
  const segments = execFileSync("readelf", ["-lW", file], { encoding: "utf8" });
  for (const [, offset, start, size] of segments.matchAll(/^\s+LOAD\s+0x(\w+) 0x(\w+) 0x\w+ 0x(\w+)/gm)) {
    const distance = address - Number.parseInt(start!, 16);
    if (distance >= 0 && distance < Number.parseInt(size!, 16)) return Number.parseInt(offset!, 16) + distance;
  }
  throw new Error(`${file}: ${symbol} is in no segment`);
}

/** The line names file, address, file offset and the bytes there, the meant ones in brackets. */
function assertRefusal(line: string, file: string, offset: number, reason: RegExp, size = 2): void {
  const shape =
    /^flicker: --strict: (.*): .* at 0x([0-9a-f]+), file offset 0x([0-9a-f]+): (.*); bytes(.*); it runs without --strict\n$/;
  const [, name, address, shownOffset, why, bytes] = line.match(shape) ?? assert.fail(`not a refusal: ${line}`);
  assert.equal(name, file);
  assert.equal(Number.parseInt(shownOffset!, 16), offset);
  // Files are mapped in pages.
  assert.equal(Number.parseInt(address!.slice(-3), 16), offset % 4096);
  assert.match(why!, reason);
  const shown = bytes!.trim().split(" ");
  const before = shown.findIndex((byte) => byte.startsWith("["));
  const content = readFileSync(file).subarray(offset - before, offset - before + shown.length);
  assert.deepEqual(
    shown.map((byte) => byte.replace(/[[\]]/g, "")),
    [...content].map((byte) => byte.toString(16).padStart(2, "0")),
  );
  assert.equal(shown.findIndex((byte) => byte.endsWith("]")) - before + 1, size);
}

describe("--strict ends the process with status 125", { skip }, () => {
  test("a function that does not decode, in the program", async () => {
    const program = await buildProgram("undecodable.c");
    const { status, stdout, stderr } = await run(["--strict"], [program]);
    assert.deepEqual([status, stdout], [125, ""]);
    // Behind a nop.
    assertRefusal(stderr, program, fileOffsetOf(program, "broken") + 1, /^the unwind table calls it code$/, 1);
    assert.deepEqual((await run([], [program])).status, 0);
  });

  test("the same in a library, before dlopen can run its constructor", async () => {
    const library = await buildProgram("undecodable.c", "shared");
    const script = `import ctypes\nprint("before", flush=True)\nctypes.CDLL("${library}")\nprint("after", flush=True)`;
    const { status, stdout, stderr } = await run(["--strict"], ["/usr/bin/python3", "-c", script]);
    assert.deepEqual([status, stdout], [125, "before\n"]);
    assertRefusal(stderr, library, fileOffsetOf(library, "broken") + 1, /^the unwind table calls it code$/, 1);
    assert.equal((await run([], ["/usr/bin/python3", "-c", script])).stdout, "before\ncode of this file ran\nafter\n");
  });

  test("a system call among data", async () => {
    const program = await buildProgram("hidden-call.c");
    const { status, stderr } = await run(["--strict"], [program]);
    assert.equal(status, 125);
    assertRefusal(stderr, program, fileOffsetOf(program, "hidden_site"), /look like no code$/);
  });

  test("a site that cannot be written, at a later mmap", async () => {
    const program = await buildProgram("fates.c", "static");
    const { status, stdout, stderr } = await run(["--strict"], [program, "map_unwritable"]);
    assert.deepEqual([status, stdout], [125, ""]);
    assertRefusal(stderr, program, fileOffsetOf(program, "trapped_site"), /^its page cannot be written$/);
  });

  test("in a program that another one executes, which goes on", async () => {
    const program = await buildProgram("undecodable.c");
    const { status, stdout, stderr } = await run(["--strict"], ["sh", "-c", `${program}; echo status $?`]);
    assert.deepEqual([status, stdout], [0, "status 125\n"]);
    assert.match(stderr, /^flicker: --strict: [^\n]*\n$/);
  });

  test("the statistics have the end, and the site", async () => {
    const program = await buildProgram("fates.c", "static");
    const folder = mkdtempSync(join(tmpdir(), "flicker-strict-"));
    try {
      const events = join(folder, "events");
      await run(["--strict", "--stats-file", events], [program, "map_unwritable"]);
      const end = JSON.parse(readFileSync(events, "utf8").trimEnd().split("\n").at(-1)) as Record<string, unknown>;
      assert.deepEqual([end["event"], end["status"], end["unpatched"]], ["end", 125, 1]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("--strict lets pass", { skip }, () => {
  test("a site that is left to a trap", async () => {
    const program = await buildProgram("fates.c", "static");
    const { status, stderr } = await run(["--strict"], [program, "sites"]);
    assert.deepEqual([status, stderr], [0, ""]);
    assert.equal((await run(["--strict", "--only-traps"], ["/bin/true"])).status, 0);
  });

  test("sites without room for trampolines, which are traps", async () => {
    const { status, stdout, stderr } = await run(["--strict"], [await buildProgram("no-room.S", "bare-low")]);
    assert.deepEqual([status, stdout, stderr], [0, "runs\n", ""]);
  });

  for (const [source, variant] of [
    ["data-among-code.c", "one-segment"],
    ["data-among-code.c", "dynamic"],
    ["data-among-code.c", "one-segment-static"],
    ["hello.c", "musl-static"],
    ["hello.c", "static-pie"],
    ["hello-bare.S", "bare"],
    ["hello-go.go", "go"],
  ] as const) {
    test(`data, and files without unwind tables: ${source} (${variant})`, async () => {
      const program = await buildProgram(source, variant);
      const { status, stderr } = await run(["--strict"], [program]);
      assert.doesNotMatch(stderr, /flicker:/);
      assert.equal(status, spawnSync(program).status);
    });
  }
});

// What each loads matters, not what it does: many of Debian's libraries, plugins and extension modules.
const manyModules =
  "import asyncio, bz2, ctypes, curses, decimal, hashlib, lzma, readline, sqlite3, ssl, zlib; print(ssl.OPENSSL_VERSION)";
const programs: [string, ...string[]][] = [
  ["/usr/bin/true"],
  ["bash", "-c", "echo $BASH_VERSION; type -t cd"],
  ["dash", "-c", "echo $((6 * 7))"],
  ["zsh", "-fc", "zmodload zsh/datetime zsh/regex zsh/zpty; echo $ZSH_VERSION"],
  ["fish", "--no-config", "-c", "echo $version"],
  ["/usr/bin/python3", "-c", manyModules],
  ["perl", "-e", "use POSIX; use Socket; use Encode; use Digest::SHA 'sha1_hex'; use List::Util; print sha1_hex('x')"],
  ["ruby", "-e", "require 'openssl'; require 'zlib'; require 'socket'; puts OpenSSL::Digest::SHA256.hexdigest('x')"],
  ["php", "-r", "echo hash('sha256', 'x'), extension_loaded('json');"],
  ["lua5.4", "-e", "print(_VERSION, #string.rep('x', 100))"],
  [process.execPath, "-e", "console.log(require('crypto').createHash('sha256').update('x').digest('hex'))"],
  ["gcc", "-x", "c", "-S", "-o", "-", "/dev/null"],
  ["g++", "-x", "c++", "-c", "-o", "/dev/null", "/dev/null"],
  ["clang", "-x", "c", "-c", "-o", "/dev/null", "/dev/null"],
  ["as", "--version"],
  ["ld", "--version"],
  ["objdump", "-f", "/bin/true"],
  ["gdb", "-nx", "-batch", "-ex", "python import hashlib; print(hashlib.md5(b'x').hexdigest())"],
  ["make", "--version"],
  ["git", "hash-object", "--stdin"],
  ["openssl", "dgst", "-sha512", "/etc/passwd"],
  ["openssl", "list", "-providers", "-provider", "legacy"],
  ["curl", "--version"],
  ["ssh", "-V"],
  ["redis-server", "--version"],
  ["nginx", "-v"],
  ["sqlite3", ":memory:", "select sqlite_version(), sum(1)"],
  ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc=d=0.2", "-f", "framemd5", "-"],
  ["xz", "-c", "/etc/passwd"],
  ["zstd", "-c", "-q", "/etc/passwd"],
  ["bzip2", "-c", "/etc/passwd"],
  ["tar", "-cf", "-", "--mtime=@0", "/etc/passwd"],
  ["busybox", "sh", "-c", "echo x | md5sum"],
  ["tmux", "-V"],
  ["awk", 'BEGIN { print substr("abc", 2) }'],
  ["getent", "passwd", "root"],
  ["strace", "-V"],
];

describe("--strict lets ordinary programs pass", { skip, concurrency: 2 }, () => {
  for (const command of programs) {
    const name = command.join(" ").replace(/\s+/g, " ").slice(0, 60);
    const scenario: Scenario = { name: `strict ${name}`, command, options: ["--strict"], stdin: "text\n" };
    test(name, () => compareRuns(scenario));
  }
});
