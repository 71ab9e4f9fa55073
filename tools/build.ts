// `npm run build`, second step: builds dist/launcher (src/host/build.ts) and prints one line. The first step, tsc, made
// the JavaScript that runs here.

import { relative } from "node:path";
import { buildProducts } from "../src/host/build.js";
import { packageRoot } from "../src/host/package-root.js";

const start = performance.now();
const { launcher, size, isNew } = await buildProducts(packageRoot);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
const what = isNew ? "built" : "is up to date";
console.log(`${relative(packageRoot, launcher)} ${what}: ${(size / 1024).toFixed(0)} KiB, ${seconds} s`);
