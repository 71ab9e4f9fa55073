import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { writeAtomically } from "../../src/host/write-atomically.js";

const temporary = mkdtempSync(join(tmpdir(), "flicker-write-test-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

test("replaces a file, with the mode that was asked for whatever the umask", () => {
  const path = join(temporary, "file");
  const umask = process.umask(0o077);
  try {
    writeAtomically(path, "one");
    writeAtomically(path, Buffer.from("two"), 0o755);
  } finally {
    process.umask(umask);
  }
  assert.equal(readFileSync(path, "utf8"), "two");
  assert.equal(statSync(path).mode & 0o777, 0o755);
});

test("replaces a symbolic link instead of writing through it", () => {
  const target = join(temporary, "target");
  writeFileSync(target, "old");
  symlinkSync(target, join(temporary, "link"));
  writeAtomically(join(temporary, "link"), "new");
  assert.equal(readFileSync(target, "utf8"), "old");
  assert.equal(readFileSync(join(temporary, "link"), "utf8"), "new");
});

test("leaves nothing behind when it fails", () => {
  const folder = mkdtempSync(join(temporary, "in-"));
  mkdirSync(join(folder, "taken"));
  assert.throws(() => writeAtomically(join(folder, "taken"), "x"), { code: "EISDIR" });
  assert.deepEqual(readdirSync(folder), ["taken"]);
});
