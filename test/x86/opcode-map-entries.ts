// The start of an instruction for every entry of every opcode map: all opcodes under every mandatory prefix, W, vector
// length and ModRM.reg, with a memory and a register operand, and what EVEX adds (b, z, opmask).

const BYTES = Array.from({ length: 256 }, (_, i) => i);
const EIGHT = BYTES.slice(0, 8);

/** ModRM with mod 00 and 11 for each reg; the memory operand is (%rsp,...) or has no SIB. */
const OPERANDS = EIGHT.flatMap((reg) => [reg << 3, (reg << 3) | 4, 0xc1 | (reg << 3)]);
/** The same, and every register operand, which group 7 (0f 01) and x87 tell apart. */
const ALL_OPERANDS = [...OPERANDS, ...BYTES.slice(0xc0)];

function* legacy(): Generator<number[]> {
  for (const prefixes of [[], [0x66], [0xf3], [0xf2], [0xf0], [0x66, 0xf3], [0x66, 0xf2]]) {
    for (const rex of [[], [0x48]]) {
      for (const escape of [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]) {
        const operands = escape.length < 2 ? ALL_OPERANDS : OPERANDS;
        for (const opcode of BYTES) {
          for (const modrm of operands) yield [...prefixes, ...rex, ...escape, opcode, modrm];
        }
      }
    }
  }
}

function* vex(escape: number, maps: number[]): Generator<number[]> {
  for (const map of maps) {
    for (const opcode of BYTES) {
      for (const wAndLengthAndPrefix of EIGHT.flatMap((low) => [low, low | 0x80])) {
        for (const vvvv of [0x78, 0x50]) {
          for (const modrm of OPERANDS) yield [escape, 0xe0 | map, wAndLengthAndPrefix | vvvv, opcode, modrm];
        }
      }
    }
  }
}

export function* evexEntries(): Generator<number[]> {
  for (const map of [1, 2, 3, 5, 6]) {
    for (const opcode of BYTES) {
      for (const wAndPrefix of [0, 1, 2, 3, 0x80, 0x81, 0x82, 0x83]) {
        for (const vvvv of [0x7c, 0x54]) {
          // Lengths, then b, an opmask, zeroing, both.
          for (const last of [0x08, 0x28, 0x48, 0x68, 0x18, 0x58, 0x78, 0x49, 0xc9, 0x09]) {
            for (const modrm of [0x00, 0x0c, 0xc1, 0xd1]) {
              yield [0x62, 0xf0 | map, wAndPrefix | vvvv, last, opcode, modrm];
            }
          }
        }
      }
    }
  }
}

/** EVEX map 4: ND, NF, a source condition, without and with a register in vvvv. */
function* evexOfLegacy(): Generator<number[]> {
  for (const map of [4, 7]) {
    for (const opcode of BYTES) {
      for (const wAndPrefix of [0, 1, 2, 3, 0x80, 0x81, 0x82, 0x83]) {
        for (const vvvv of [0x7c, 0x54]) {
          for (const last of [0x08, 0x18, 0x0c, 0x1c, 0x02, 0x48]) {
            for (const modrm of OPERANDS) yield [0x62, 0xf0 | map, wAndPrefix | vvvv, last, opcode, modrm];
          }
        }
      }
    }
  }
}

function* rex2(): Generator<number[]> {
  for (const prefixes of [[], [0x66], [0xf3], [0xf2]]) {
    for (const payload of [0x00, 0x48, 0x11, 0x80, 0xc8, 0x91]) {
      for (const opcode of BYTES) {
        for (const modrm of ALL_OPERANDS) yield [...prefixes, 0xd5, payload, opcode, modrm];
      }
    }
  }
}

/** What iced does not know at all. */
export function* apxEntries(): Generator<number[]> {
  yield* evexOfLegacy();
  yield* rex2();
}

export function* opcodeMapEntries(): Generator<number[]> {
  yield* legacy();
  yield* vex(0xc4, [1, 2, 3, 5, 7]);
  yield* vex(0x8f, [8, 9, 10]);
  yield* evexEntries();
}
