// When the launcher is built, and when it is not; and where it is found.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildProducts } from "../../src/host/build.js";
import { LauncherCache, sha256 } from "../../src/host/cache.js";
import { findLauncher } from "../../src/host/launcher.js";
import { hashInputs, productsOf } from "../../src/host/products.js";

const temporary = mkdtempSync(join(tmpdir(), "flicker-products-test-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

/** A package root with one engine source. */
function newRoot(): string {
  const root = mkdtempSync(join(temporary, "root-"));
  mkdirSync(join(root, "src/engine/x86"), { recursive: true });
  writeFileSync(join(root, "src/engine/main.ts"), "one");
  return root;
}

function compiler() {
  const calls: string[] = [];
  const compile = (root: string) => {
    calls.push(root);
    const launcher = Buffer.from(`launcher ${calls.length}`);
    return Promise.resolve({ wasm: Buffer.from("wasm"), launcher, debuggerScript: "script" });
  };
  return { calls, compile };
}

test("the hash of inputs changes with content, name and presence of a file, and with nothing else", () => {
  const root = newRoot();
  const first = hashInputs(root);
  assert.equal(hashInputs(root), first);
  writeFileSync(join(root, "src/engine/main.ts"), "two");
  const changed = hashInputs(root);
  writeFileSync(join(root, "src/engine/x86/empty.ts"), "");
  const added = hashInputs(root);
  rmSync(join(root, "src/engine/x86/empty.ts"));
  writeFileSync(join(root, "src/engine/x86/other.ts"), "");
  const renamed = hashInputs(root);
  assert.equal(new Set([first, changed, added, renamed]).size, 4);
  rmSync(join(root, "src/engine/x86/other.ts"));
  mkdirSync(join(root, "test"));
  writeFileSync(join(root, "test/x.ts"), "x");
  assert.equal(hashInputs(root), changed);
});

test("a build writes launcher, hash and wasm, and is skipped while nothing changes", async () => {
  const root = newRoot();
  const { calls, compile } = compiler();
  const products = productsOf(root);
  assert.deepEqual(await buildProducts(root, compile), { launcher: products.launcher, size: 10, isNew: true });
  assert.equal(readFileSync(products.launcher, "utf8"), "launcher 1");
  assert.equal(readFileSync(products.hash, "utf8").trim(), sha256("launcher 1"));
  assert.equal(readFileSync(products.wasm, "utf8"), "wasm");
  assert.equal(readFileSync(products.debuggerScript, "utf8"), "script");
  assert.equal(statSync(products.launcher).mode & 0o777, 0o755);

  assert.deepEqual(await buildProducts(root, compile), { launcher: products.launcher, size: 10, isNew: false });
  assert.equal(calls.length, 1);
});

test("a changed source, a damaged or missing product builds again", async () => {
  const root = newRoot();
  const { calls, compile } = compiler();
  const products = productsOf(root);
  const disturbances: (() => void)[] = [
    () => writeFileSync(join(root, "src/engine/main.ts"), "two"),
    () => writeFileSync(products.launcher, "damaged"),
    () => rmSync(products.launcher),
    () => rmSync(products.hash),
    () => rmSync(products.wasm),
    () => rmSync(products.debuggerScript),
    () => rmSync(products.inputs),
  ];
  await buildProducts(root, compile);
  for (const [index, disturb] of disturbances.entries()) {
    disturb();
    assert.equal((await buildProducts(root, compile)).isNew, true, `disturbance ${index}`);
  }
  assert.equal(calls.length, 1 + disturbances.length);
});

test("a failed build leaves the old products", async () => {
  const root = newRoot();
  await buildProducts(root, compiler().compile);
  writeFileSync(join(root, "src/engine/main.ts"), "broken");
  await assert.rejects(
    buildProducts(root, () => Promise.reject(new Error("does not compile"))),
    /does not compile/,
  );
  assert.equal(readFileSync(productsOf(root).launcher, "utf8"), "launcher 1");
});

const noWarning = (line: string): never => assert.fail(line);
const neverBuild = (): never => assert.fail("built");

test("the installation's launcher comes first", async () => {
  const root = newRoot();
  await buildProducts(root, compiler().compile);
  assert.equal(await findLauncher(root, noWarning, neverBuild), productsOf(root).launcher);
});

test("a launcher that is not what was built is refused", async () => {
  const root = newRoot();
  await buildProducts(root, compiler().compile);
  writeFileSync(productsOf(root).launcher, "something else");
  await assert.rejects(findLauncher(root, noWarning, neverBuild), /is not what was built; run npm run build/);
});

test("a missing launcher is built once into the cache", async () => {
  const root = newRoot();
  const openCache = (warn: (line: string) => void) => LauncherCache.open(warn, join(root, "cache/flicker"));
  const build = () => Promise.resolve(Buffer.from("cached"));
  const path = await findLauncher(root, noWarning, build, openCache);
  assert.ok(path.startsWith(join(root, "cache/flicker")), path);
  assert.equal(readFileSync(path, "utf8"), "cached");
  assert.equal(await findLauncher(root, noWarning, neverBuild, openCache), path);
  writeFileSync(join(root, "src/engine/main.ts"), "other engine");
  assert.notEqual(await findLauncher(root, noWarning, build, openCache), path);
});
