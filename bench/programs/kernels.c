// The kernels of test/backend/kernels/kernels.as.ts in C, line by line: `kernels NAME ROUNDS` prints the processor time
// of the call in nanoseconds, after one that warms up, and the result.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIZE (1u << 16)
#define ORDER 48u
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

static u8 buffer[SIZE] __attribute__((aligned(16)));
static u8 table[1 << 16] __attribute__((aligned(16)));
static u8 words[256] __attribute__((aligned(16)));

static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
    0xc67178f2,
};

static u32 load32(const u8 *at) {
  u32 value;
  memcpy(&value, at, 4);
  return value;
}
static void store32(u8 *at, u32 value) { memcpy(at, &value, 4); }
static u32 rotr(u32 x, int n) { return (x >> n) | (x << (32 - n)); }
static u32 rotl(u32 x, int n) { return (x << n) | (x >> (32 - n)); }

static u64 fill(u32 seed) {
  u32 x = seed | 1;
  for (u32 i = 0; i < SIZE; i += 4) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    store32(buffer + i, x);
  }
  return 0;
}

static u64 fnv(u32 rounds) {
  u64 hash = 0xcbf29ce484222325;
  for (u32 r = 0; r < rounds; r++)
    for (u32 i = 0; i < SIZE; i++) hash = (hash ^ buffer[i]) * 0x100000001b3;
  return hash;
}

static u64 sum32(u32 rounds) {
  u32 sum = 0;
  for (u32 r = 0; r < rounds; r++)
    for (u32 i = 0; i < SIZE; i += 4) sum += load32(buffer + i) ^ r;
  return sum;
}

static u64 sha256(u32 rounds) {
  u32 h0 = 0x6a09e667, h1 = 0xbb67ae85, h2 = 0x3c6ef372, h3 = 0xa54ff53a;
  u32 h4 = 0x510e527f, h5 = 0x9b05688c, h6 = 0x1f83d9ab, h7 = 0x5be0cd19;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 block = 0; block < SIZE; block += 64) {
      for (u32 i = 0; i < 16; i++) store32(words + i * 4, __builtin_bswap32(load32(buffer + block + i * 4)));
      for (u32 i = 16; i < 64; i++) {
        u32 w15 = load32(words + (i - 15) * 4), w2 = load32(words + (i - 2) * 4);
        u32 s0 = rotr(w15, 7) ^ rotr(w15, 18) ^ (w15 >> 3);
        u32 s1 = rotr(w2, 17) ^ rotr(w2, 19) ^ (w2 >> 10);
        store32(words + i * 4, load32(words + (i - 16) * 4) + s0 + load32(words + (i - 7) * 4) + s1);
      }
      u32 a = h0, b = h1, c = h2, d = h3, e = h4, f = h5, g = h6, h = h7;
      for (u32 i = 0; i < 64; i++) {
        u32 s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        u32 t1 = h + s1 + ((e & f) ^ (~e & g)) + K[i] + load32(words + i * 4);
        u32 s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        u32 t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
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
  return ((u64)h0 << 32) ^ ((u64)h1 << 24) ^ ((u64)h2 << 16) ^ (u64)(h3 ^ h4) ^ (u64)(h5 ^ h6 ^ h7);
}

static void sortRange(int low, int high) {
  while (low < high) {
    u32 pivot = load32(buffer + (((low + high) >> 1) << 2));
    int i = low, j = high;
    while (i <= j) {
      while (load32(buffer + (i << 2)) < pivot) i++;
      while (load32(buffer + (j << 2)) > pivot) j--;
      if (i <= j) {
        u32 swap = load32(buffer + (i << 2));
        store32(buffer + (i << 2), load32(buffer + (j << 2)));
        store32(buffer + (j << 2), swap);
        i++;
        j--;
      }
    }
    sortRange(low, j);
    low = i;
  }
}

static u64 qsort_(u32 rounds) {
  u64 check = 0;
  for (u32 r = 0; r < rounds; r++) {
    fill(r + 1);
    sortRange(0, SIZE / 4 - 1);
    check = check * 31 + load32(buffer + 4 * ((r * 77) & 0x3fff));
  }
  return check;
}

static u64 hashMap(u32 rounds) {
  u32 found = 0;
  for (u32 r = 0; r < rounds; r++) {
    memset(table, 0, 1 << 16);
    for (u32 i = 0; i < 6000; i++) {
      u32 key = load32(buffer + ((i * 4) & 0xffff)) % 5000 + 1;
      u32 slot = (key * 0x9e3779b1) >> 19;
      for (;;) {
        u8 *place = table + (slot << 3);
        u32 other = load32(place);
        if (other == key) {
          found++;
          break;
        }
        if (other == 0) {
          store32(place, key);
          break;
        }
        slot = (slot + 1) & 8191;
      }
      u8 *place = table + (slot << 3);
      store32(place + 4, load32(place + 4) + 1);
    }
  }
  return found;
}

static u64 emitCode(u32 rounds) {
  u32 check = 0;
  for (u32 r = 0; r < rounds; r++) {
    u8 *at = table;
    for (u32 i = 0; i < 3000; i++) {
      u32 kind = buffer[i] & 3;
      if (kind == 0) {
        *at = 0xe9;
        store32(at + 1, i * 77 - (u32)(at - table));
        at += 5;
      } else if (kind == 1) {
        u16 move = 0x8948;
        memcpy(at, &move, 2);
        at[2] = 0xc0 | ((i & 7) << 3) | (r & 7);
        at += 3;
      } else if (kind == 2) {
        *at = 0x90;
        at++;
      } else {
        *at = 0x68;
        store32(at + 1, i);
        at += 5;
      }
    }
    check = check * 33 + (u32)(at - table) + table[r & 1023];
  }
  return check;
}

static u64 lengths(u32 rounds) {
  for (u32 i = 0; i < 256; i++) words[i] = 1 + ((i * 7) & 15);
  u32 count = 0;
  for (u32 r = 0; r < rounds; r++) {
    u32 at = 0;
    while (at < SIZE - 16) {
      u32 opcode = buffer[at];
      if (opcode == 0x66 || opcode == 0xf3 || (opcode & 0xf0) == 0x40) opcode = buffer[++at];
      u32 size = words[opcode];
      if (opcode == 0x0f) at += 2 + (buffer[at + 1] & 3);
      else at += size;
      count += size > 8 || (opcode & 1) == 0 ? 1 : 2;
    }
  }
  return count;
}

static u64 crc32(u32 rounds) {
  for (u32 i = 0; i < 256; i++) {
    u32 entry = i;
    for (int bit = 0; bit < 8; bit++) entry = (entry >> 1) ^ ((entry & 1) != 0 ? 0xedb88320 : 0);
    store32(table + (i << 2), entry);
  }
  u32 crc = 0xffffffff;
  for (u32 r = 0; r < rounds; r++)
    for (u32 i = 0; i < SIZE; i++) crc = load32(table + (((crc ^ buffer[i]) & 0xff) << 2)) ^ (crc >> 8);
  return (u32)~crc;
}

static u64 matrix(u32 rounds) {
  const u8 *left = buffer, *right = buffer + ORDER * ORDER * 4;
  u32 check = 0;
  for (u32 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < ORDER; i++)
      for (u32 j = 0; j < ORDER; j++) {
        u32 sum = r;
        for (u32 k = 0; k < ORDER; k++)
          sum += load32(left + ((i * ORDER + k) << 2)) * load32(right + ((k * ORDER + j) << 2));
        store32(table + ((i * ORDER + j) << 2), sum);
      }
    check = check * 31 + load32(table + (((r * 7) % (ORDER * ORDER)) << 2));
  }
  return check;
}

static u64 sieve(u32 rounds) {
  u32 count = 0;
  for (u32 r = 0; r < rounds; r++) {
    memset(table, 1, 1 << 16);
    for (u32 i = 2; i * i < 1 << 16; i++) {
      if (table[i] == 0) continue;
      for (u32 j = i * i; j < 1 << 16; j += i) table[j] = 0;
    }
    for (u32 i = 2; i < 1 << 16; i++) count += table[i];
  }
  return count;
}

static u32 lengthOf(const u8 *text) {
  const u8 *end = text;
  while (*end != 0) end++;
  return (u32)(end - text);
}

static int compareText(const u8 *left, const u8 *right) {
  u64 at = 0;
  while (left[at] == right[at] && left[at] != 0) at++;
  return (int)left[at] - (int)right[at];
}

static u64 strings(u32 rounds) {
  u32 check = 0;
  for (u32 r = 0; r < rounds; r++) {
    u32 from = 0;
    u8 *previous = table, *to = table;
    *to = 0;
    while (from < SIZE - 300 && to < table + 60000) {
      u32 length = lengthOf(buffer + from);
      if (length < 250) {
        memcpy(to, buffer + from, length + 1);
        if (compareText(previous, to) < 0) check += length;
        for (u32 i = 0; i < length; i++)
          if (to[i] == 0x65) check++;
        previous = to;
        to += length + 1;
      }
      from += length + 1;
    }
    check = check * 3 + from;
  }
  return check;
}

static u64 dispatch(u32 rounds) {
  u32 a = 1, b = 7;
  for (u32 r = 0; r < rounds; r++)
    for (u32 i = 0; i < SIZE; i++)
      switch (buffer[i] & 15) {
      case 0: a += b; break;
      case 1: a -= b; break;
      case 2: a ^= b; break;
      case 3: b = a; break;
      case 4: a = rotl(a, 5); break;
      case 5: a = a >> 1; break;
      case 6: a = a * 3; break;
      case 7: b++; break;
      case 8: store32(table + (b & 0xfffc), a); break;
      case 9: a = load32(table + (b & 0xfffc)); break;
      case 10: if ((a & 1) != 0) i++; break;
      case 11: b = ~b; break;
      case 12: a |= b; break;
      case 13: a &= ~b; break;
      case 14: b += i; break;
      default: a++;
      }
  return a ^ b;
}

static u32 addOne(u32 x) { return x + 1; }
static u32 triple(u32 x) { return x * 3; }
static u32 turn(u32 x) { return rotr(x, 9); }
static u32 mix(u32 x) { return x ^ (x >> 13); }
static u32 (*volatile functions[4])(u32) = {addOne, triple, turn, mix};

static u64 indirect(u32 rounds) {
  u32 (*targets[4])(u32) = {functions[0], functions[1], functions[2], functions[3]};
  u32 x = 1;
  for (u32 r = 0; r < rounds; r++)
    for (u32 i = 0; i < SIZE; i++) x = targets[buffer[i] & 3](x);
  return x;
}

static const struct {
  const char *name;
  u64 (*run)(u32);
} kernels[] = {
    {"fnv", fnv},         {"sum32", sum32},       {"sha256", sha256}, {"qsort", qsort_},   {"hashMap", hashMap},
    {"emitCode", emitCode}, {"lengths", lengths}, {"crc32", crc32},   {"matrix", matrix},  {"sieve", sieve},
    {"strings", strings}, {"dispatch", dispatch}, {"indirect", indirect},
};

static u64 now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (u64)time.tv_sec * 1000000000 + (u64)time.tv_nsec;
}

int main(int argc, char **argv) {
  for (unsigned i = 0; argc == 3 && i < sizeof kernels / sizeof *kernels; i++) {
    if (strcmp(kernels[i].name, argv[1]) != 0) continue;
    u32 rounds = (u32)atoi(argv[2]);
    fill(12345);
    kernels[i].run(1);
    fill(12345);
    u64 start = now();
    u64 result = kernels[i].run(rounds);
    u64 end = now();
    printf("%llu %llu\n", (unsigned long long)(end - start), (unsigned long long)result);
    return 0;
  }
  return 2;
}
