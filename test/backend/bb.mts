import { compileAssemblyScript } from "../../src/backend/compile-assemblyscript.js";
import { buildLauncher } from "../../src/backend/build-launcher.js";
import { writeFileSync, existsSync, readFileSync, statSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { edi, eax, rax, rbx, rcx, rdx, rsi, rsp, rdi, mem, r13, r14, edx } from "../../src/backend/x64/assembler.js";
const src = "test/backend/kernels/kernels.as.ts";
if (!existsSync("/tmp/b/k.wasm") || statSync("/tmp/b/k.wasm").mtimeMs < statSync(src).mtimeMs)
  writeFileSync("/tmp/b/k.wasm", await compileAssemblyScript(src));
const wasm = readFileSync("/tmp/b/k.wasm");
const rounds: Record<string, number> = { fnv: 30, sum32: 200, sha256: 6, qsort: 2, hashMap: 40, emitCode: 300, lengths: 50 };
for (const name of Object.keys(rounds)) writeFileSync("/tmp/b/k-" + name, buildLauncher(wasm, (a) => {
  a.global("_start"); a.push(-1); a.push(0);
  a.mov(r14, 20);
  const top = a.label();
  a.bind(top);
  a.mov(edi, 12345); a.call("engine.fill");
  a.rdtsc(); a.shl(rdx, 32); a.or(rax, rdx); a.mov(rbx, rax);
  a.mov(edi, rounds[name]!); a.call("engine." + name); a.mov(mem({ base: rsp }), rax);
  a.rdtsc(); a.shl(rdx, 32); a.or(rax, rdx); a.sub(rax, rbx);
  a.mov(rcx, mem({ base: rsp, disp: 8 })); a.cmp(rax, rcx); a.cmovcc("b", rcx, rax); a.mov(mem({ base: rsp, disp: 8 }), rcx);
  a.dec(r14); a.jcc("ne", top);
  a.mov(edi, 1); a.mov(eax, 1); a.mov(rsi, rsp); a.mov(edx, 16); a.syscall(); a.mov(edi, 0); a.mov(eax, 60); a.syscall(); }), { mode: 0o755 });
let gn = 0, c = 0;
for (const name of Object.keys(rounds)) {
  let g = 1e18, n = 1e18, ok = true;
  for (let i = 0; i < 5; i++) {
    const [r, t] = execFileSync("/tmp/b/bench/k", [name, String(rounds[name])]).toString().trim().split(" ");
    g = Math.min(g, Number(t));
    const out = execFileSync("/tmp/b/k-" + name);
    ok &&= out.readBigUInt64LE(0).toString(16) === r;
    n = Math.min(n, Number(out.readBigUInt64LE(8)));
  }
  console.log(name.padEnd(9), ok, "gcc Mcycles", (g / 1e6).toFixed(2), "native/gcc", (n / g).toFixed(2));
  gn += Math.log(n / g); c++;
}
console.log("geomean", Math.exp(gn / c).toFixed(3));
