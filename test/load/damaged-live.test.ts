// Damaged ELF files that are really executed: natively, through `flicker run` and by an execve under Flicker, with the same
// end (exec-status.ts). Only headers are damaged (damage.ts), of small programs and of ones that a compiler made.
//
// FLICKER_SEED=n tries one seed, FLICKER_ROUNDS=n that many from it on. A file whose end is not the same in two native
// runs (its segments lie where the kernel may have put the stack) is left out, and counted.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Random } from "../backend/random-module.js";
import { buildProgram } from "../support/build-program.js";
import { damage } from "./damage.js";
import { encodeElf, ET_DYN, ET_EXEC, program } from "./elf-file.js";
import { difference, executeAll } from "./exec-status.js";

const folder = mkdtempSync(join(tmpdir(), "flicker-damaged-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const given = process.env["FLICKER_SEED"];
const seed = Number(given ?? 1);
const usual = process.env["FLICKER_TEST_LONG"] ? 5000 : 300;
const rounds = Number(process.env["FLICKER_ROUNDS"] ?? (given === undefined ? usual : 1));
/** So many are on the disk at once. */
const BATCH = 100;

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  chmodSync(path, 0o755);
  return path;
}

/** Headers of a compiler's program end before its first section's contents, which the interpreter's path is. */
const COMPILED_HEADERS_END = 0x318;

interface Original {
  bytes: Uint8Array;
  headersEnd: number;
}

async function originals(interpreter: string): Promise<Original[]> {
  const small = [ET_EXEC, ET_DYN].flatMap((type) => [program({ type }), program({ type, interpreter })]);
  const compiled = await Promise.all(
    (["static", "static-pie", "dynamic", "fixed"] as const).map((variant) => buildProgram("hello.c", variant)),
  );
  return [
    ...small.map((file) => ({ bytes: encodeElf(file), headersEnd: 0x440 })),
    ...compiled.map((path) => ({ bytes: Uint8Array.from(readFileSync(path)), headersEnd: COMPILED_HEADERS_END })),
  ];
}

test(`${rounds} damaged files end as they do natively`, async () => {
  const from = await originals(write("interpreter", encodeElf(program({ type: ET_DYN }))));
  const failures: string[] = [];
  const results = new Map<string, number>();
  let unsteady = 0;
  for (let first = seed; first < seed + rounds; first += BATCH) {
    const seeds = Array.from({ length: Math.min(BATCH, seed + rounds - first) }, (_, i) => first + i);
    const paths = seeds.map((each) => {
      const random = new Random(each);
      const { bytes, headersEnd } = random.pick(from);
      return write(`damaged-${each}`, damage(bytes, random, headersEnd));
    });
    const found = await executeAll(paths);
    const again = await executeAll(paths, "natively");
    for (const [i, fates] of found.entries()) {
      if (JSON.stringify(fates.natively) !== JSON.stringify(again[i]!.natively)) {
        unsteady++;
        continue;
      }
      const { result } = fates.natively;
      results.set(result, (results.get(result) ?? 0) + 1);
      const complaint = difference(fates);
      if (complaint !== null) failures.push(`FLICKER_SEED=${seeds[i]}: ${complaint}`);
    }
    if (given === undefined) for (const path of paths) rmSync(path);
  }
  assert.deepEqual(failures, []);
  if (given === undefined) {
    assert.ok(unsteady < rounds / 50, `${unsteady} files end differently from run to run`);
    // Some of each kind, or the damage is too little or too much.
    for (const result of ["errno 8", "signal 11", "exit 42"])
      assert.ok((results.get(result) ?? 0) >= rounds / 60, `${result}: ${results.get(result)}`);
  }
});
