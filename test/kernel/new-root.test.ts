// A followed execve needs the launcher where there is no /proc: kernel/held-files.ts. That programs behave as natively
// there is for the scenario "a new root"; this says that they run under Flicker, shells' children too.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";

interface Event {
  event: string;
  exe: string;
}

/** Runs a command under Flicker; gives the paths of the programs that the launcher started, in order. */
async function started(directory: string, ...command: string[]): Promise<string[]> {
  const asRoot = process.getuid?.() === 0 ? [] : ["unshare", "-r"];
  const result = spawnSync(await launcherPath(), ["run", "--stats=json", "--", ...asRoot, ...command], {
    cwd: directory,
    encoding: "utf8",
  });
  assert.equal(result.status, 0, result.stderr);
  return result.stderr
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Event)
    .filter(({ event }) => event === "start")
    .map(({ exe }) => exe);
}

test("execve is followed in a root directory without /proc", async (context) => {
  if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
  const directory = mkdtempSync(join(tmpdir(), "flicker-new-root-"));
  try {
    const root = join(directory, "root");
    mkdirSync(root);
    copyFileSync("/bin/busybox", join(root, "sh"));
    for (const name of ["true", "cat"]) linkSync(join(root, "sh"), join(root, name));
    const paths = await started(
      directory,
      "chroot",
      "root",
      "/sh",
      "-c",
      '/true; /sh -c "/cat /sh | /cat > /copy; /true"',
    );
    assert.deepEqual(paths.filter((path) => path !== "/usr/bin/unshare").sort(), [
      "/cat",
      "/cat",
      "/sh",
      "/sh",
      "/true",
      "/true",
      "/usr/sbin/chroot",
    ]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("execve is followed in a PID namespace", async (context) => {
  if (isNativeStandIn()) return context.skip("the launcher is a stand-in");
  const paths = await started(tmpdir(), "unshare", "-pf", "sh", "-c", "true; /usr/bin/true; /usr/bin/true; exit 0");
  assert.deepEqual(paths.slice(-4), ["/usr/bin/unshare", "/usr/bin/dash", "/usr/bin/true", "/usr/bin/true"]);
});
