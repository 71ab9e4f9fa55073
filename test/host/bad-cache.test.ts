// A cache of launchers that is damaged, cannot be used, or is used by several at once.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { CacheError, LauncherCache, sha256 } from "../../src/host/cache.js";
import { packageRoot } from "../../src/host/package-root.js";

const temporary = mkdtempSync(join(tmpdir(), "flicker-bad-cache-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

const KEY = sha256("some inputs");
const launcher = Buffer.from("\x7fELF and so on".repeat(10_000));
const isRoot = process.geteuid?.() === 0;
const needsRoot = { skip: isRoot ? false : "needs root, to become another user and to mount" };
const fresh = (): string => mkdtempSync(join(temporary, "home-"));
const build = (): Promise<Uint8Array> => Promise.resolve(launcher);
const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

const damages: Record<string, (path: string) => void> = {
  "a launcher that is cut off": (path) => writeFileSync(path, launcher.subarray(0, 1000)),
  "an empty launcher": (path) => writeFileSync(path, ""),
  "a launcher with one byte changed": (path) => {
    const bytes = Buffer.from(launcher);
    bytes[5000]! ^= 1;
    writeFileSync(path, bytes);
  },
  "no hash: half an entry": (path) => rmSync(`${path}.sha256`),
  "an empty hash": (path) => writeFileSync(`${path}.sha256`, ""),
  "a hash without launcher": (path) => rmSync(path),
};
for (const [name, spoil] of Object.entries(damages)) {
  test(`${name}: it is built again`, async () => {
    const cache = LauncherCache.open(assert.fail, join(fresh(), "flicker"));
    const path = cache.store(KEY, launcher);
    spoil(path);
    assert.equal(cache.find(KEY), null);
    assert.equal(await cache.findOrStore(KEY, build), path);
    assert.equal(hashOf(path), sha256(launcher));
    assert.deepEqual(readdirSync(dirname(path)).sort(), ["launcher", "launcher.sha256"]);
  });
}

/** What processes of their own do: open the cache, find or build, say where and with which hash. */
function script(folder: string): string {
  const module = JSON.stringify(join(packageRoot, "src/host/cache.ts"));
  return `
    import { LauncherCache, sha256 } from ${module};
    import { readFileSync } from "node:fs";
    const cache = LauncherCache.open((line) => console.log(line), ${JSON.stringify(folder)});
    const bytes = Buffer.alloc(3_000_000, "launcher");
    const path = await cache.findOrStore(${JSON.stringify(KEY)}, () => Promise.resolve(bytes));
    console.log(sha256(readFileSync(path)) === sha256(bytes) ? "whole" : "damaged");
  `;
}

test("two first runs at once: each gets a whole launcher, and one entry stays", async () => {
  const folder = join(fresh(), "not/yet/there/flicker");
  const outputs = await Promise.all(
    Array.from({ length: 2 }, async () => {
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script(folder)], {
        cwd: packageRoot,
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
      const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
      return `${status} ${output}`;
    }),
  );
  assert.deepEqual(outputs, ["0 whole\n", "0 whole\n"]);
  assert.deepEqual(readdirSync(join(folder, "launchers", KEY)).sort(), ["launcher", "launcher.sha256"]);
});

/** Runs the script as a user who is in no passwd. */
function asNobody(folder: string, prepare = "true"): { status: number | null; stdout: string } {
  const command = `${prepare} && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"`;
  const args = [process.execPath, "--import", "tsx", "--input-type=module", "-e", script(folder)];
  const { status, stdout } = spawnSync("unshare", ["-m", "sh", "-ec", command, "sh", ...args], {
    encoding: "utf8",
    cwd: packageRoot,
    env: { PATH: process.env["PATH"], TMPDIR: shared },
  });
  return { status, stdout };
}
/** A temporary folder that everybody can write to. */
const shared = join(temporary, "shared");
mkdirSync(shared);
chmodSync(shared, 0o1777);
chmodSync(temporary, 0o755);

test("a cache folder that cannot be written to: a private temporary folder, with a message", needsRoot, () => {
  const home = fresh();
  chmodSync(home, 0o755);
  const { status, stdout } = asNobody(join(home, "flicker"));
  assert.equal(status, 0);
  assert.match(stdout, /^cache .* cannot be used \(EACCES.*\); building in .*\nwhole\n$/);
});

test("a cache folder of another user's: a private temporary folder, with a message", needsRoot, () => {
  const folder = join(fresh(), "flicker");
  mkdirSync(folder);
  chmodSync(dirname(folder), 0o755);
  assert.match(asNobody(folder).stdout, /^cache .* cannot be used .*building in .*\nwhole\n$/);
});

test("a home on a read-only mount: a private temporary folder, with a message", needsRoot, () => {
  const home = fresh();
  const { status, stdout } = asNobody(join(home, "flicker"), `mount -t tmpfs -o ro,mode=777 tmpfs '${home}'`);
  assert.equal(status, 0);
  assert.match(stdout, /^cache .* cannot be used \(EROFS.*\); building in .*\nwhole\n$/);
});

test("neither cache nor temporary folder: one error that names both", () => {
  const missing = join(temporary, "missing");
  writeFileSync(join(temporary, "file"), "");
  assert.throws(
    () => LauncherCache.open(assert.fail, join(temporary, "file/flicker"), missing),
    (error: Error) => error instanceof CacheError && error.message.includes(missing) && !error.message.includes("\n"),
  );
});

test("a launcher that cannot be written: an error that names it", () => {
  const folder = join(fresh(), "flicker");
  const cache = LauncherCache.open(assert.fail, folder);
  writeFileSync(join(folder, "launchers"), "in the way");
  assert.throws(() => cache.store(KEY, launcher), CacheError);
});
