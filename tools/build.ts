// `npm run build`, which `npm ci` and `npm test` run: the command's JavaScript (tsc) and the launcher (src/host/build.ts), each
// only when its inputs have changed. Nothing to do takes a moment, since the first `npx flicker` runs it once more.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { buildProducts } from "../src/host/build.js";
import { packageRoot } from "../src/host/package-root.js";
import { hashInputs } from "../src/host/products.js";
import { writeAtomically } from "../src/host/write-atomically.js";

const JAVASCRIPT_INPUTS = [
  "src/abi",
  "src/backend",
  "src/cli",
  "src/host",
  "src/kernel-interface",
  "src/match",
  "src/trace",
  "tsconfig.json",
  "tsconfig.build.json",
  "node_modules/typescript/package.json",
];

/** Gives false when the sources have type errors; what tsc prints is on the screen then. */
function buildJavaScript(): boolean {
  const record = join(packageRoot, "dist/javascript.inputs");
  const inputs = hashInputs(packageRoot, JAVASCRIPT_INPUTS);
  if (existsSync(record) && readFileSync(record, "utf8").trim() === inputs) return true;
  const compiler = join(packageRoot, "node_modules/typescript/bin/tsc");
  const { status, error } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: packageRoot,
    stdio: "inherit",
  });
  if (error) throw error;
  if (status !== 0) return false;
  mkdirSync(join(packageRoot, "dist"), { recursive: true });
  writeAtomically(record, `${inputs}\n`);
  return true;
}

const start = performance.now();
if (buildJavaScript()) {
  const { launcher, size, isNew } = await buildProducts(packageRoot);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  const what = isNew ? "built" : "is up to date";
  console.log(`${relative(packageRoot, launcher)} ${what}: ${(size / 1024).toFixed(0)} KiB, ${seconds} s`);
} else process.exitCode = 1;
