// Seeded byte strings that often start a valid instruction: plain random bytes seldom get past VEX and EVEX.

/** xorshift32: the same bytes from the same seed, on every machine. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0 || 1;
  }
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (this.state = x >>> 0);
  }
  below(limit: number): number {
    return this.next() % limit;
  }
  oneIn(count: number): boolean {
    return this.below(count) === 0;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

const LEGACY_PREFIXES = [0x66, 0xf2, 0xf3, 0x67, 0x2e, 0x64, 0xf0];
const INTRODUCTIONS = [
  "none",
  "none",
  "0f",
  "0f",
  "0f38",
  "0f3a",
  "vex",
  "vex",
  "evex",
  "evex",
  "xop",
  "rex2",
] as const;

/** Fills `bytes` (16 or more) with what may be one instruction and random bytes after it. */
export function fillRandomCode(random: Random, bytes: Uint8Array): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.next() >>> 11;
  const introduction = random.pick(INTRODUCTIONS);
  const legacy = introduction === "none" || introduction.startsWith("0f");
  let at = 0;
  const put = (...values: number[]): void => {
    for (const value of values) bytes[at++] = value;
  };
  if (legacy) {
    while (random.oneIn(2) && at < 4) put(random.pick(LEGACY_PREFIXES));
    if (random.oneIn(3)) put(0x40 | random.below(16));
  } else if (random.oneIn(20)) {
    put(random.pick(LEGACY_PREFIXES));
  }
  // vvvv = 1111 (no register) two times in three, or most encodings would be invalid for it alone.
  const vvvv = random.oneIn(3) ? random.next() & 0x78 : 0x78;
  switch (introduction) {
    case "none":
      return;
    case "0f":
      return put(0x0f);
    case "0f38":
      return put(0x0f, 0x38);
    case "0f3a":
      return put(0x0f, 0x3a);
    case "rex2":
      return put(0xd5);
    case "vex":
      if (random.oneIn(3)) return put(0xc5, (random.next() & 0x87) | vvvv);
      return put(0xc4, (random.next() & 0xe0) | random.pick([1, 2, 3, 1, 2, 3, 5, 7]), (random.next() & 0x87) | vvvv);
    case "xop":
      return put(0x8f, (random.next() & 0xe0) | random.pick([8, 9, 10]), (random.next() & 0x87) | vvvv);
    case "evex": {
      const map = random.oneIn(9) ? random.below(8) : random.pick([1, 2, 3, 5, 6]);
      const b4 = random.oneIn(20) ? 8 : 0;
      const x4 = random.oneIn(20) ? 0 : 4;
      const v4 = random.oneIn(3) ? random.next() & 8 : 8;
      const zAndMask = random.oneIn(2) ? random.next() & 0x87 : 0;
      return put(
        0x62,
        (random.next() & 0xf0) | b4 | map,
        (random.next() & 0x83) | vvvv | x4,
        (random.next() & 0x70) | v4 | zAndMask,
      );
    }
  }
}
