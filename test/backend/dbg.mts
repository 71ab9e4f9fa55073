import { compareRuns, runV8 } from "./native-run.js";
import { randomModule } from "./random-module.js";
import { writeFileSync } from "node:fs";
const { bytes, calls } = randomModule(Number(process.argv[2]));
writeFileSync("/tmp/b/rnd.wasm", bytes);
for (let n = 1; n <= calls.length; n++) {
  try {
    compareRuns(bytes, calls.slice(0, n));
  } catch (e) {
    console.log(n, calls[n - 1], (e as Error).message, runV8(bytes, calls.slice(0, n)).outcomes[n - 1]);
    break;
  }
}
