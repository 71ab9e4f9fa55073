// How facts are read: the formats of /proc, and the launcher's answers on this machine.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  gatherFacts,
  isNoexec,
  parseLimits,
  parseProbe,
  parseProcessor,
  parseStatus,
} from "../../../src/host/doctor/facts.js";
import { packageRoot } from "../../../src/host/package-root.js";

test("/proc/self/limits", () => {
  const limits = parseLimits(
    "Limit                     Soft Limit           Hard Limit           Units     \n" +
      "Max file size             unlimited            unlimited            bytes     \n" +
      "Max stack size            8388608              unlimited            bytes     \n" +
      "Max processes             96365                96365                processes \n",
  );
  assert.deepEqual(
    [...limits],
    [
      ["file size", Infinity],
      ["stack size", 8388608],
      ["processes", 96365],
    ],
  );
});

test("/proc/self/status and /proc/cpuinfo", () => {
  assert.equal(parseStatus("Name:\tnode\nSeccomp:\t2\nSeccomp_filters:\t1\n").get("Seccomp"), "2");
  const { model, flags } = parseProcessor(
    "processor\t: 0\nmodel name\t: A B\nflags\t\t: fpu fsgsbase\n\nprocessor\t: 1\n",
  );
  assert.deepEqual([model, [...flags]], ["A B", ["fpu", "fsgsbase"]]);
});

test("the mount that a path lies on", () => {
  const mounts = [
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "30 22 0:26 / /home rw,nosuid,noexec - tmpfs tmpfs rw",
    "31 30 0:27 / /home/a\\040b rw - tmpfs tmpfs rw",
    "32 22 0:28 / /mnt rw,noexec - tmpfs tmpfs rw",
    "33 22 0:29 / /mnt rw - tmpfs tmpfs rw",
  ].join("\n");
  assert.equal(isNoexec("/homework", mounts), false);
  assert.equal(isNoexec("/home/u/.cache", mounts), true);
  assert.equal(isNoexec("/home/a b/c", mounts), false);
  assert.equal(isNoexec("/mnt/x", mounts), false);
});

test("answers are lines, and half a line is none", () => {
  assert.deepEqual(
    [...parseProbe("hwcap2 2\nclone3 -22\nrse")],
    [
      ["hwcap2", 2],
      ["clone3", -22],
    ],
  );
});

test("the launcher answers a probe, and only when it is asked as flicker-probe", () => {
  const launcher = join(packageRoot, "dist/launcher");
  const { status, stdout, stderr } = spawnSync(launcher, [], { argv0: "flicker-probe", encoding: "utf8" });
  assert.deepEqual([status, stderr], [0, ""]);
  assert.match(stdout, /^(\w+ -?\d+\n)+$/);
  const program = spawnSync(launcher, ["echo", "x"], { argv0: "flicker-probe", encoding: "utf8" });
  assert.equal(program.stdout, "x\n");
});

/** Puts a filter in force that kills for membarrier, and becomes the launcher that is asked. */
const FILTERED = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
program = b"".join(struct.pack("HBBI", *row) for row in [
    (0x20, 0, 0, 0), (0x15, 0, 1, 324), (0x06, 0, 0, 0x80000000), (0x06, 0, 0, 0x7fff0000)])
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("program", ctypes.c_char_p)]
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Filter(4, program)), 0, 0) == 0
os.execv(sys.argv[1], ["flicker-probe"])
`;

test(
  "the answers so far are there when a filter kills for a question",
  { skip: spawnSync("python3", ["-c", ""]).error === undefined ? false : "python3 is not installed" },
  () => {
    const launcher = join(packageRoot, "dist/launcher");
    const { signal, stdout } = spawnSync("python3", ["-c", FILTERED, launcher], { encoding: "utf8" });
    assert.equal(signal, "SIGSYS");
    const answers = parseProbe(stdout);
    assert.equal(answers.get("sharedView"), 0);
    assert.equal(answers.has("membarrier"), false);
  },
);

test("every answer is there on this machine", async (context) => {
  // Looking at the cache makes its folder.
  const folder = mkdtempSync(join(tmpdir(), "flicker-facts-test-"));
  process.env["XDG_CACHE_HOME"] = folder;
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const { cache, probe, probeFailure, run, limits } = await gatherFacts(packageRoot);
  assert.equal(probeFailure, null);
  assert.equal(run.failure, null);
  assert.deepEqual(cache, { folder: join(folder, "flicker"), failure: null, isNoexec: false });
  assert.equal(limits.size, 16);
  assert.equal(probe.get("hwcap2") !== undefined && ((probe.get("hwcap2") as number) & 2) === 2, true);
  assert.ok(probe.size >= 14);
});
