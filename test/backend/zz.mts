import { buildLauncher } from "../../src/backend/build-launcher.js";
import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { writeFileSync } from "node:fs";
import { edi, eax } from "../../src/backend/x64/assembler.js";
const t0 = Date.now();
const wasm = await compileAssemblyScript("test/backend/kernels/ping.as.ts");
writeFileSync("/tmp/b/main.wasm", wasm);
const t1 = Date.now();
const elf = buildLauncher(wasm, (a) => {
  a.global("_start");
  a.mov(edi, 41);
  a.call("engine.ping");
  a.mov(edi, eax);
  a.mov(eax, 60);
  a.syscall();
});
console.log(t1 - t0, Date.now() - t1, elf.length);
writeFileSync("/tmp/b/launcher", elf, { mode: 0o755 });
