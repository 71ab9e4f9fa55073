// How fast the decoder is in V8, on the code of local programs: `node --import tsx test/x86/decoder-speed.ts`.
//
// 175 MB/s (23 ns an instruction of 4.0 bytes) on python3.11, on a 2-core virtual machine; other programs' code came out
// between 130 and 180 when the machine had nothing else to do. Each line is the best of so many rounds: in the first ones
// V8's baseline compiler is at work.

import { DecoderModule } from "./decoder-module.js";
import { codeSections, localBinaries } from "./local-binaries.js";

const ROUNDS = 10;

const decoder = await DecoderModule.load();
for (const file of localBinaries().present) {
  const section = codeSections(file).reduce((a, b) => (a.bytes.length >= b.bytes.length ? a : b));
  const code = section.bytes.subarray(0, decoder.codeSize);
  decoder.memory.set(code, decoder.code);
  let best = Infinity;
  let count = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.hrtime.bigint();
    count = decoder.exports.decodeAll(code.length);
    best = Math.min(best, Number(process.hrtime.bigint() - start));
  }
  const rate = ((code.length / best) * 1e3).toFixed(0);
  console.log(`${file} ${section.name}: ${count} instructions, ${rate} MB/s, ${(best / count).toFixed(1)} ns each`);
}
