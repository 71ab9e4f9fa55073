// --perf-map: the file names exactly the trampolines that the statistics count, where they are, by the address that the
// site has in its file; after fork and exec the right process's file does.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

const skip = isNativeStandIn() && "the native stand-in is no launcher";
const temporary = mkdtempSync(join(tmpdir(), "flicker-perf-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

interface Line {
  start: bigint;
  end: bigint;
  kind: string;
  file: string;
  address: number;
}

/** The lines of a process's map, and the file removed. */
function takeMap(pid: number): Line[] {
  const path = `/tmp/perf-${pid}.map`;
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  rmSync(path);
  return lines
    .filter((line) => !line.endsWith(" flicker:island"))
    .map((line) => {
      const match = /^([0-9a-f]+) ([0-9a-f]+) flicker:(\w+) (.+)\+0x([0-9a-f]+)$/.exec(line);
      assert.ok(match, line);
      const [, start = "", size = "", kind = "", file = "", address = ""] = match;
      const first = BigInt(`0x${start}`);
      return { start: first, end: first + BigInt(`0x${size}`), kind, file, address: parseInt(address, 16) };
    });
}

/** A program under Flicker with its statistics; standard output, and the last event. */
async function run(options: string[], program: string[]): Promise<{ pid: number; stdout: string; patched: number }> {
  const events = join(temporary, "events");
  rmSync(events, { force: true });
  const args = ["run", "--perf-map", "--stats-file", events, ...options, "--", ...program];
  const { pid, stdout, stderr, status } = spawnSync(await launcherPath(), args, { encoding: "utf8" });
  assert.equal(stderr, "");
  assert.equal(status, 0);
  const last = readFileSync(events, "utf8").trimEnd().split("\n").at(-1) ?? "";
  return { pid, stdout, patched: (JSON.parse(last) as { patched: number }).patched };
}

/** Executable ranges that no file is mapped in, from /proc/PID/maps. */
function trampolineRanges(maps: string): { start: bigint; end: bigint }[] {
  return [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ 0\s*$/gm)].map(([, start = "", end = ""]) => {
    return { start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) };
  });
}

for (const options of [[], ["--only-traps"]]) {
  test(`names and ranges agree with the process ${options.join()}`, { skip }, async () => {
    const { pid, stdout, patched } = await run(options, ["cat", "/proc/self/maps"]);
    const lines = takeMap(pid).sort((left, right) => (left.start < right.start ? -1 : 1));
    const sites = lines.filter(({ kind }) => kind === "trampoline");
    assert.equal(sites.length, patched);
    const ranges = trampolineRanges(stdout);
    for (const [i, { start, end }] of lines.entries()) {
      assert.ok(
        ranges.some((range) => start >= range.start && end <= range.end),
        `${start.toString(16)} is in no executable memory of the engine's`,
      );
      assert.ok(end <= (lines[i + 1]?.start ?? end), `${start.toString(16)} overlaps the next`);
    }
    // In the code of libc and ld.so, addresses are file offsets.
    for (const file of ["libc.so.6", "ld-linux-x86-64.so.2"]) {
      const code = readFileSync(`/lib/x86_64-linux-gnu/${file}`);
      const here = sites.filter((site) => site.file === file);
      assert.ok(here.length > 20, file);
      for (const { address } of here) {
        assert.equal(code.readUInt16LE(address), 0x050f, `${file}+0x${address.toString(16)} is no syscall`);
      }
    }
  });
}

test("the child of a fork has its parent's trampolines in a file of its own", { skip }, async () => {
  const { pid, stdout } = await run([], ["bash", "-c", "(echo $BASHPID; exit 0); exit 0"]);
  const mine = takeMap(pid);
  const childs = takeMap(Number(stdout));
  assert.ok(mine.length > 500);
  assert.deepEqual(new Set(childs.map(({ start }) => start)), new Set(mine.map(({ start }) => start)));
});

test("an exec in the same process adds to its file", { skip }, async () => {
  const { pid, stdout, patched } = await run([], ["bash", "-c", "exec cat /proc/self/maps"]);
  const ranges = trampolineRanges(stdout);
  const lines = takeMap(pid).filter(({ kind }) => kind === "trampoline");
  const current = lines.filter(({ start }) => ranges.some((range) => start >= range.start && start < range.end));
  assert.ok(lines.length > current.length);
  assert.ok(current.length >= patched);
});

test("a link in the file's place is not followed: one line says so, and the program runs", { skip }, async () => {
  const target = join(temporary, "target");
  const command = 'ln -s "$1" /tmp/perf-$$.map && exec "$0" run --perf-map -- sh -c "rm /tmp/perf-$$.map; echo ran"';
  const { stdout, stderr } = spawnSync("sh", ["-c", command, await launcherPath(), target], { encoding: "utf8" });
  assert.equal(stdout, "ran\n");
  assert.match(stderr, /^flicker: --perf-map: .*\n$/);
  assert.throws(() => readFileSync(target));
});

test("without the option there is no file", { skip }, async () => {
  const { pid } = spawnSync(await launcherPath(), ["run", "--", "true"]);
  assert.throws(() => readFileSync(`/tmp/perf-${pid}.map`));
});

/** Why perf cannot record here, or false. */
function perfIsMissing(): string | false {
  const { error, status, stderr } = spawnSync("perf", ["record", "-o", join(temporary, "probe"), "true"], {
    encoding: "utf8",
  });
  if (error) return "perf is not installed";
  return status !== 0 && `perf cannot record here: ${stderr.split("\n")[0]}`;
}

test("perf report names trampolines and the engine's functions", { skip: skip || perfIsMissing() }, async () => {
  const data = join(temporary, "perf.data");
  // A program that does little but call, and each call goes through a trampoline, the gate and the engine; so often that each
  // of them is met.
  const dd = "exec dd if=/dev/zero of=/dev/null bs=1 count=2000000 status=none";
  const program = ["sh", "-c", `echo $$; ${dd}`];
  const command = [await launcherPath(), "run", "--perf-map", "--count-calls", "--", ...program];
  const options = ["-q", "-e", "task-clock:u", "-F", "2000", "-o", data];
  const pid = Number(
    execFileSync("perf", ["record", ...options, "--", ...command], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  );
  const report = execFileSync("perf", ["report", "-i", data, "--stdio", "--sort", "dso,symbol"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  assert.match(report, /flicker:trampoline libc\.so\.6\+0x[0-9a-f]+/);
  // Samples are few: which functions they hit is not known, but each of the launcher's has a name.
  const inLauncher = [...report.matchAll(/ launcher +\[\.\] (\S+)/g)].map(([, name = ""]) => name);
  assert.ok(inLauncher.some((name) => /^(engine\/|gate)/.test(name)));
  assert.deepEqual(
    inLauncher.filter((name) => name.startsWith("0x")),
    [],
  );
  takeMap(pid);
});
