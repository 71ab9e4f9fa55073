// Small programs of the kind that the engine is made of: hashing, sorting, tables, bit twiddling, emitting bytes.

import "../../../src/engine/assertion";

const SIZE: u32 = 1 << 16;
const buffer = memory.data(SIZE);
const table = memory.data(1 << 16);
const words = memory.data(256);
const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);

export function fill(seed: u32): void {
  let x = seed | 1;
  for (let i: u32 = 0; i < SIZE; i += 4) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    store<u32>(buffer + i, x);
  }
}

export function fnv(rounds: u32): u64 {
  let hash: u64 = 0xcbf29ce484222325;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let i: u32 = 0; i < SIZE; i++) hash = (hash ^ load<u8>(buffer + i)) * 0x100000001b3;
  }
  return hash;
}

export function sum32(rounds: u32): u32 {
  let sum: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let i: u32 = 0; i < SIZE; i += 4) sum += load<u32>(buffer + i) ^ r;
  }
  return sum;
}

export function sha256(rounds: u32): u64 {
  let h0: u32 = 0x6a09e667,
    h1: u32 = 0xbb67ae85,
    h2: u32 = 0x3c6ef372,
    h3: u32 = 0xa54ff53a;
  let h4: u32 = 0x510e527f,
    h5: u32 = 0x9b05688c,
    h6: u32 = 0x1f83d9ab,
    h7: u32 = 0x5be0cd19;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let block: u32 = 0; block < SIZE; block += 64) {
      for (let i: u32 = 0; i < 16; i++) store<u32>(words + i * 4, bswap<u32>(load<u32>(buffer + block + i * 4)));
      for (let i: u32 = 16; i < 64; i++) {
        const w15 = load<u32>(words + (i - 15) * 4),
          w2 = load<u32>(words + (i - 2) * 4);
        const s0 = rotr<u32>(w15, 7) ^ rotr<u32>(w15, 18) ^ (w15 >> 3);
        const s1 = rotr<u32>(w2, 17) ^ rotr<u32>(w2, 19) ^ (w2 >> 10);
        store<u32>(words + i * 4, load<u32>(words + (i - 16) * 4) + s0 + load<u32>(words + (i - 7) * 4) + s1);
      }
      let a = h0,
        b = h1,
        c = h2,
        d = h3,
        e = h4,
        f = h5,
        g = h6,
        h = h7;
      for (let i: u32 = 0; i < 64; i++) {
        const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
        const t1 = h + s1 + ((e & f) ^ (~e & g)) + load<u32>(K + i * 4) + load<u32>(words + i * 4);
        const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
        const t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
      }
      h0 += a;
      h1 += b;
      h2 += c;
      h3 += d;
      h4 += e;
      h5 += f;
      h6 += g;
      h7 += h;
    }
  }
  return ((h0 as u64) << 32) ^ ((h1 as u64) << 24) ^ ((h2 as u64) << 16) ^ ((h3 ^ h4) as u64) ^ ((h5 ^ h6 ^ h7) as u64);
}

function sortRange(low: i32, high: i32): void {
  while (low < high) {
    const pivot = load<u32>(buffer + (((low + high) >> 1) << 2));
    let i = low,
      j = high;
    while (i <= j) {
      while (load<u32>(buffer + (i << 2)) < pivot) i++;
      while (load<u32>(buffer + (j << 2)) > pivot) j--;
      if (i <= j) {
        const swap = load<u32>(buffer + (i << 2));
        store<u32>(buffer + (i << 2), load<u32>(buffer + (j << 2)));
        store<u32>(buffer + (j << 2), swap);
        i++;
        j--;
      }
    }
    sortRange(low, j);
    low = i;
  }
}

export function qsort(rounds: u32): u64 {
  let check: u64 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    fill(r + 1);
    sortRange(0, (SIZE as i32) / 4 - 1);
    check = check * 31 + load<u32>(buffer + 4 * ((r * 77) & 0x3fff));
  }
  return check;
}

/** Open addressing: 8192 slots of key and count. */
export function hashMap(rounds: u32): u32 {
  let found: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    memory.fill(table, 0, 1 << 16);
    for (let i: u32 = 0; i < 6000; i++) {
      const key = (load<u32>(buffer + ((i * 4) & 0xffff)) % 5000) + 1;
      let slot = (key * 0x9e3779b1) >> 19;
      while (true) {
        const place = table + (slot << 3);
        const other = load<u32>(place);
        if (other == key) {
          found++;
          break;
        }
        if (other == 0) {
          store<u32>(place, key);
          break;
        }
        slot = (slot + 1) & 8191;
      }
      const place = table + (slot << 3);
      store<u32>(place, load<u32>(place, 4) + 1, 4);
    }
  }
  return found;
}

/** Emits moves and jumps as a patcher does. */
export function emitCode(rounds: u32): u32 {
  let check: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    let at = table;
    for (let i: u32 = 0; i < 3000; i++) {
      const kind = load<u8>(buffer + i) & 3;
      if (kind == 0) {
        store<u8>(at, 0xe9);
        store<u32>(at + 1, i * 77 - (at - table));
        at += 5;
      } else if (kind == 1) {
        store<u16>(at, 0x8948);
        store<u8>(at + 2, (0xc0 | ((i & 7) << 3) | (r & 7)) as u8);
        at += 3;
      } else if (kind == 2) {
        store<u8>(at, 0x90);
        at++;
      } else {
        store<u8>(at, 0x68);
        store<u32>(at + 1, i);
        at += 5;
      }
    }
    check = check * 33 + (at - table) + load<u8>(table + (r & 1023));
  }
  return check;
}

/** A length decoder over a table of 256 lengths. */
export function lengths(rounds: u32): u32 {
  for (let i: u32 = 0; i < 256; i++) store<u8>(words + i, (1 + ((i * 7) & 15)) as u8);
  let count: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    let at: u32 = 0;
    while (at < SIZE - 16) {
      let opcode = load<u8>(buffer + at);
      if (opcode == 0x66 || opcode == 0xf3 || (opcode & 0xf0) == 0x40) opcode = load<u8>(buffer + ++at);
      const size = load<u8>(words + opcode);
      if (opcode == 0x0f) at += 2 + (load<u8>(buffer + at + 1) & 3);
      else at += size;
      count += size > 8 || (opcode & 1) == 0 ? 1 : 2;
    }
  }
  return count;
}

/** CRC-32 (reflected, polynomial 0xedb88320) by bytes over a table. */
export function crc32(rounds: u32): u32 {
  for (let i: u32 = 0; i < 256; i++) {
    let entry = i;
    for (let bit = 0; bit < 8; bit++) entry = (entry >> 1) ^ ((entry & 1) != 0 ? 0xedb88320 : 0);
    store<u32>(table + (i << 2), entry);
  }
  let crc: u32 = 0xffffffff;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let i: u32 = 0; i < SIZE; i++) {
      crc = load<u32>(table + (((crc ^ load<u8>(buffer + i)) & 0xff) << 2)) ^ (crc >> 8);
    }
  }
  return ~crc;
}

const ORDER: u32 = 48;

/** The product of two matrices of u32, 48 by 48, by the definition. */
export function matrix(rounds: u32): u32 {
  const left = buffer;
  const right = buffer + ORDER * ORDER * 4;
  let check: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let i: u32 = 0; i < ORDER; i++) {
      for (let j: u32 = 0; j < ORDER; j++) {
        let sum = r;
        for (let k: u32 = 0; k < ORDER; k++) {
          sum += load<u32>(left + ((i * ORDER + k) << 2)) * load<u32>(right + ((k * ORDER + j) << 2));
        }
        store<u32>(table + ((i * ORDER + j) << 2), sum);
      }
    }
    check = check * 31 + load<u32>(table + (((r * 7) % (ORDER * ORDER)) << 2));
  }
  return check;
}

/** Counts primes below 65536. */
export function sieve(rounds: u32): u32 {
  let count: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    memory.fill(table, 1, 1 << 16);
    for (let i: u32 = 2; i * i < 1 << 16; i++) {
      if (load<u8>(table + i) == 0) continue;
      for (let j = i * i; j < 1 << 16; j += i) store<u8>(table + j, 0);
    }
    for (let i: u32 = 2; i < 1 << 16; i++) count += load<u8>(table + i);
  }
  return count;
}

function lengthOf(text: usize): u32 {
  let end = text;
  while (load<u8>(end) != 0) end++;
  return (end - text) as u32;
}

function compareText(left: usize, right: usize): i32 {
  let at: usize = 0;
  while (load<u8>(left + at) == load<u8>(right + at) && load<u8>(left + at) != 0) at++;
  return (load<u8>(left + at) as i32) - (load<u8>(right + at) as i32);
}

/** Texts: each is measured, copied, compared with the one before and searched for a letter. */
export function strings(rounds: u32): u32 {
  let check: u32 = 0;
  for (let r: u32 = 0; r < rounds; r++) {
    let from: u32 = 0;
    let previous = table as usize;
    let to = table as usize;
    store<u8>(to, 0);
    while (from < SIZE - 300 && to < table + 60000) {
      const length = lengthOf(buffer + from);
      if (length < 250) {
        memory.copy(to, buffer + from, length + 1);
        if (compareText(previous, to) < 0) check += length;
        for (let i: u32 = 0; i < length; i++) if (load<u8>(to + i) == 0x65) check++;
        previous = to;
        to += length + 1;
      }
      from += length + 1;
    }
    check = check * 3 + from;
  }
  return check;
}

/** An interpreter of a machine with an accumulator: one `br_table` for each byte. */
export function dispatch(rounds: u32): u32 {
  let a: u32 = 1;
  let b: u32 = 7;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let i: u32 = 0; i < SIZE; i++) {
      switch ((load<u8>(buffer + i) & 15) as u32) {
        case 0:
          a += b;
          break;
        case 1:
          a -= b;
          break;
        case 2:
          a ^= b;
          break;
        case 3:
          b = a;
          break;
        case 4:
          a = rotl<u32>(a, 5);
          break;
        case 5:
          a = a >> 1;
          break;
        case 6:
          a = a * 3;
          break;
        case 7:
          b++;
          break;
        case 8:
          store<u32>(table + (b & 0xfffc), a);
          break;
        case 9:
          a = load<u32>(table + (b & 0xfffc));
          break;
        case 10:
          if ((a & 1) != 0) i++;
          break;
        case 11:
          b = ~b;
          break;
        case 12:
          a |= b;
          break;
        case 13:
          a &= ~b;
          break;
        case 14:
          b += i;
          break;
        default:
          a++;
      }
    }
  }
  return a ^ b;
}

function addOne(x: u32): u32 {
  return x + 1;
}
function triple(x: u32): u32 {
  return x * 3;
}
function turn(x: u32): u32 {
  return rotr<u32>(x, 9);
}
function mix(x: u32): u32 {
  return x ^ (x >> 13);
}

/** A call through a table of four functions for each byte. */
export function indirect(rounds: u32): u32 {
  const one = (addOne as (x: u32) => u32).index;
  const two = (triple as (x: u32) => u32).index;
  const three = (turn as (x: u32) => u32).index;
  const four = (mix as (x: u32) => u32).index;
  store<u32>(words, one);
  store<u32>(words + 4, two);
  store<u32>(words + 8, three);
  store<u32>(words + 12, four);
  let x: u32 = 1;
  for (let r: u32 = 0; r < rounds; r++) {
    for (let i: u32 = 0; i < SIZE; i++) {
      x = call_indirect<u32>(load<u32>(words + ((load<u8>(buffer + i) & 3) << 2)), x);
    }
  }
  return x;
}
