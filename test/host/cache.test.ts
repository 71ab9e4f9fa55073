// The cache of launchers: where it is, whom it trusts, what it does with a damaged entry.

import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { cacheFolder, LauncherCache, sha256 } from "../../src/host/cache.js";

const temporary = mkdtempSync(join(tmpdir(), "flicker-cache-test-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

const KEY = sha256("some inputs");
const launcher = Buffer.from("\x7fELF and so on");
const isRoot = process.geteuid?.() === 0;

const freshFolder = (): string => mkdtempSync(join(temporary, "home-"));
function open(folder: string): { cache: LauncherCache; warnings: string[] } {
  const warnings: string[] = [];
  return { cache: LauncherCache.open((line) => warnings.push(line), folder, temporary), warnings };
}

test("the folder follows the XDG base directory specification", () => {
  assert.equal(cacheFolder({ XDG_CACHE_HOME: "/x" }, "/home/u"), "/x/flicker");
  assert.equal(cacheFolder({}, "/home/u"), "/home/u/.cache/flicker");
  assert.equal(cacheFolder({ XDG_CACHE_HOME: "" }, "/home/u"), "/home/u/.cache/flicker");
  assert.equal(cacheFolder({ XDG_CACHE_HOME: "relative" }, "/home/u"), "/home/u/.cache/flicker");
});

test("what is stored is found again, executable by its owner alone", () => {
  const folder = join(freshFolder(), "not/yet/there/flicker");
  const { cache, warnings } = open(folder);
  assert.equal(cache.find(KEY), null);
  const path = cache.store(KEY, launcher);
  assert.equal(cache.find(KEY), path);
  assert.deepEqual(readFileSync(path), launcher);
  // Executed through /proc/self/exe by whoever the program has become.
  assert.equal(lstatSync(path).mode & 0o777, 0o755);
  assert.equal(lstatSync(folder).mode & 0o777, 0o700);
  assert.equal(open(folder).cache.find(KEY), path, "by another process");
  assert.deepEqual(warnings, []);
  assert.deepEqual(readdirSync(join(path, "..")).sort(), ["launcher", "launcher.sha256"], "no temporary file stays");
});

test("an entry whose content changed is built again", async () => {
  const { cache } = open(join(freshFolder(), "flicker"));
  const path = cache.store(KEY, launcher);
  writeFileSync(path, launcher.subarray(0, 5));
  assert.equal(cache.find(KEY), null);
  let builds = 0;
  const build = () => {
    builds++;
    return Promise.resolve(launcher);
  };
  assert.equal(await cache.findOrStore(KEY, build), path);
  assert.equal(await cache.findOrStore(KEY, build), path);
  assert.equal(builds, 1);
  assert.deepEqual(readFileSync(path), launcher);
});

test("a key is a hash, not a path", () => {
  const { cache } = open(join(freshFolder(), "flicker"));
  for (const key of ["", "../../x", `${KEY}/..`, "abc"]) assert.throws(() => cache.find(key), /not a cache key/);
});

test("a folder of ours that others can enter is closed to them", () => {
  const folder = join(freshFolder(), "flicker");
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(folder, 0o777);
  const { warnings } = open(folder);
  assert.deepEqual(warnings, []);
  assert.equal(lstatSync(folder).mode & 0o777, 0o700);
});

test("a cache behind a symbolic link of the user's is used", () => {
  const home = freshFolder();
  mkdirSync(join(home, "disk"));
  symlinkSync(join(home, "disk"), join(home, "flicker"));
  const { cache, warnings } = open(join(home, "flicker"));
  assert.ok(cache.store(KEY, launcher).startsWith(join(home, "disk")));
  assert.deepEqual(warnings, []);
});

function assertTemporary(folder: string, reason: RegExp): void {
  const { cache, warnings } = open(folder);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] as string, reason);
  const path = cache.store(KEY, launcher);
  assert.ok(path.startsWith(`${temporary}/flicker-`), path);
  assert.equal(lstatSync(join(path, "../../..")).mode & 0o777, 0o700);
  assert.equal(cache.find(KEY), path);
}

test("a parent that others can write to: a private temporary folder, with a message", () => {
  const home = freshFolder();
  chmodSync(home, 0o777);
  assertTemporary(join(home, "flicker"), /cannot be used \(another user can write to .*\); building in /);
});

test("a sticky parent is as good as a private one", () => {
  const home = freshFolder();
  chmodSync(home, 0o1777);
  assert.deepEqual(open(join(home, "flicker")).warnings, []);
});

test("a file in the folder's place: a private temporary folder, with a message", () => {
  const home = freshFolder();
  writeFileSync(join(home, "flicker"), "");
  assertTemporary(join(home, "flicker"), /is not a folder/);
});

test("a file system without room for folders: a private temporary folder, with a message", () => {
  const { warnings } = open("/proc/no/such/flicker");
  assert.match(warnings.join(), /^cache \/proc\/no\/such\/flicker cannot be used \(ENOENT/);
});

test("a path that cannot be made: a private temporary folder, with a message", () => {
  const home = freshFolder();
  writeFileSync(join(home, "file"), "");
  assertTemporary(join(home, "file/below/flicker"), /cannot be used \(ENOTDIR/);
  assertTemporary("/proc/flicker", /cannot be used \(ENOENT/);
});

test(
  "a folder of another user's is refused",
  { skip: isRoot ? false : "needs root, to make such a folder" },
  async () => {
    const { chownSync } = await import("node:fs");
    const folder = join(freshFolder(), "flicker");
    mkdirSync(folder);
    chownSync(folder, 12345, 12345);
    assertTemporary(folder, /belongs to another user/);
  },
);
