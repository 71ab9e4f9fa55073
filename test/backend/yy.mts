import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { buildLauncher } from "../../src/backend/build-launcher.js";
import { LinkError } from "../../src/backend/elf/launcher-image.js";
import { readFileSync } from "node:fs";
const t = Date.now();
try {
  buildLauncher(readFileSync("/tmp/b/main.wasm"), (a) => {
    a.global("_start");
    a.ret();
  });
} catch (e) {
  console.log(e instanceof LinkError, (e as Error).message);
}
console.log(Date.now() - t);
