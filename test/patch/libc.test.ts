// The machine's C library: every `syscall` is patched by a jump, wherever the library lies, and few pages are needed for
// it. The checker proves that every other instruction is as it was.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PROT_EXEC, PROT_READ, PROT_WRITE, SimulatedProcess } from "../../src/host/simulated-process.js";
import { checkPatched } from "./checker.js";
import { clustersOf, mapLibc, readLibc } from "./libc.js";
import { type Fate, Planner } from "./planner-module.js";

const libc = readLibc();
const skip = libc ? false : "no libc.so.6 in the usual places";

/** src/engine/thread/trampoline.ts */
const TRAMPOLINE_SIZE = 65;

/** Where libraries lie without and with randomisation, in a static program's place, and in a PIE's. */
const BASES = [0x7ffff7dd0000n, 0x7f1234560000n, 0x555555600000n, 0x600000n];

function pagesUsed(process: SimulatedProcess, before: ReturnType<SimulatedProcess["snapshot"]>): number {
  let pages = 0;
  for (const [start, page] of process.snapshot()) if (!before.has(start) && /[^\0]/.test(page.bytes)) pages += 1;
  return pages;
}

for (const base of BASES) {
  test(`all syscalls of libc at 0x${base.toString(16)}`, { skip }, async (context) => {
    const process = new SimulatedProcess();
    mapLibc(libc!, process, base);
    // What has to be in the way: an anonymous page below, ld.so above, a stack.
    process.map(base - 0x3000n, 0x3000, PROT_READ | PROT_WRITE);
    process.map(base + BigInt(libc!.size + 0x10000) - (BigInt(libc!.size) % 0x1000n), 0x38000, PROT_READ | PROT_EXEC);
    process.map(0x7ffffffde000n, 0x21000, PROT_READ | PROT_WRITE);
    const before = process.snapshot();
    const mappingsBefore = process.mappings().length;

    const planner = await Planner.create(process);
    const clusters = clustersOf(libc!, base, libc!.sites);
    const start = performance.now();
    const result = planner.patch(clusters, TRAMPOLINE_SIZE);
    const time = performance.now() - start;
    assert(Array.isArray(result), "the commit failed");

    const fates = new Map<Fate, number>();
    for (const cluster of result) for (const fate of cluster.fates) fates.set(fate, (fates.get(fate) ?? 0) + 1);
    const mappings = process.mappings().length - mappingsBefore;
    const pages = pagesUsed(process, before);
    const counts = [...fates].map(([fate, count]) => `${fate} ${count}`).join(", ");
    context.diagnostic(
      `${libc!.path}: ${libc!.sites.length} sites: ${counts}; ${planner.exports.countSlots()} slots, ${mappings} mappings, ` +
        `${pages} pages, ${process.calls.length} system calls, ${time.toFixed(1)} ms`,
    );
    assert.equal(fates.get("B0") ?? 0, 0, "a syscall is left to a trap");
    assert(libc!.sites.length > 100);
    assert(mappings <= 4, `${mappings} mappings`);
    assert(pages <= 96, `${pages} pages`);
    for (const { input } of result) {
      checkPatched({
        process,
        address: input.address,
        original: input.code,
        boundaries: input.boundaries,
        sites: input.sites,
      });
    }
  });
}

test("a tenth of all instructions of libc", { skip }, async (context) => {
  const base = BASES[0]!;
  const process = new SimulatedProcess();
  mapLibc(libc!, process, base);
  const planner = await Planner.create(process);
  const sites = libc!.starts.filter((_, i) => i % 10 === 0).slice(0, 8000);
  const clusters = clustersOf(libc!, base, sites);
  const start = performance.now();
  const result = planner.patch(clusters, 30);
  const time = performance.now() - start;
  assert(Array.isArray(result), "the commit failed");
  const fates = new Map<Fate, number>();
  for (const cluster of result) for (const fate of cluster.fates) fates.set(fate, (fates.get(fate) ?? 0) + 1);
  context.diagnostic(
    `${sites.length} sites: ${[...fates].map(([fate, count]) => `${fate} ${count}`).join(", ")}; ` +
      `${planner.exports.countSlots()} slots, ${process.mappings().length} mappings, ${time.toFixed(0)} ms`,
  );
  assert((fates.get("B0") ?? 0) < sites.length / 20, "more than a twentieth is left to traps");
  for (const { input, fates: own } of result) {
    const patched = input.sites.filter((_, i) => own[i] !== "B0");
    checkPatched({
      process,
      address: input.address,
      original: input.code,
      boundaries: input.boundaries,
      sites: patched,
    });
  }
});
