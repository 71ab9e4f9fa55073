// Data in executable mappings that holds the bytes 0f 05: relocation tables, symbol tables and constants of a program
// linked without separate code segments (as gold and lld long did: libLLVM is such a library), and tables in the text
// section itself. Patching such bytes corrupts the program: relocations go astray, constants change.
// variants: one-segment dynamic one-segment-static
#include "cases.h"

// Relative relocations whose addends hold 0f 05, at every alignment that a 64-bit addend has.
static char area[1 << 24] __attribute__((aligned(1 << 20)));
#define P1(n) area + (n), area + (n) + 1, area + (n) + 0x10000, area + (n) + 0x70003
#define P4(n) P1(n), P1((n) + 0x20000), P1((n) + 0x30000), P1((n) + 0x40000)
#define P16(n) P4(n), P4((n) + 0x100000), P4((n) + 0x200000), P4((n) + 0x300000)
#define P64(n) P16(n), P16((n) + 0x400000), P16((n) + 0x500000), P16((n) + 0x600000)
static char *volatile pointers[] = {P64(0x50f), P64(0x50f00), P64(0x50f12), P64(0x50fc3), P64(0x50f48)};

CASE(relocations) {
  unsigned long sum = 0, count = sizeof pointers / sizeof *pointers;
  for (unsigned long i = 0; i < count; i++) {
    unsigned long offset = (unsigned long)(pointers[i] - area);
    if (offset >= sizeof area) return say("FAILED: pointer %lu is %#lx away", i, offset);
    sum = sum * 31 + offset;
  }
  say("%lu pointers, sum %#lx", count, sum);
}

// Pseudo-random words with 0f 05 in every fourth; the same generator runs at assembly time and at run time.
#define TABLE(name, section)                                                            \
  __asm__(".pushsection " section "\n.balign 16\n" #name ":\n.set seed, 12345\n"         \
          ".rept 4096\n.set seed, (seed * 1103515245 + 12345) & 0x7fffffff\n.long seed\n" \
          ".set seed, (seed * 1103515245 + 12345) & 0x7fffffff\n.long seed\n"             \
          ".set seed, (seed * 1103515245 + 12345) & 0x7fffffff\n.long seed\n"             \
          ".set seed, (seed * 1103515245 + 12345) & 0x7fffffff\n.long (seed & 0x7f0000ff) | 0x050f00\n.endr\n" \
          ".size " #name ", .-" #name "\n.type " #name ", @object\n.popsection\n");      \
  extern const uint32_t name[16384]

TABLE(table_in_rodata, ".rodata");
TABLE(table_in_text, ".text");

static void compare_table(const uint32_t *table) {
  uint32_t seed = 12345;
  int wrong = 0;
  for (int i = 0; i < 16384; i++) {
    seed = (seed * 1103515245u + 12345u) & 0x7fffffff;
    uint32_t expected = i % 4 == 3 ? (seed & 0x7f0000ff) | 0x050f00 : seed;
    if (table[i] != expected && wrong++ < 3) say("FAILED: word %d is %#x, expected %#x", i, table[i], expected);
  }
  say("wrong %d", wrong);
}

CASE(constants) { compare_table(table_in_rodata); }
CASE(table_in_text_section) { compare_table(table_in_text); }

static const char *volatile strings[] = {"\x0f\x05", "text\x0f\x05text", "\xb8\x27\x00\x00\x00\x0f\x05\xc3", "a\x0f\x05 longer string that ends so\x0f\x05"};
static const volatile uint64_t numbers[] = {0x050f, 0x0f05050f0f05050f, 0x1234050f56780f05, 0xc3050f00000027b8};
static const volatile double floats[] = {2.5018e-321, 1.0e-300};

CASE(literals) {
  for (unsigned i = 0; i < sizeof strings / sizeof *strings; i++) {
    char text[256];
    int size = 0;
    for (const char *c = strings[i]; *c; c++) size += snprintf(text + size, sizeof text - (size_t)size, "%02x", (unsigned char)*c);
    say("%s", text);
  }
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) say("%#llx", (unsigned long long)numbers[i]);
  for (unsigned i = 0; i < sizeof floats / sizeof *floats; i++) say("%a", floats[i]);
}

// The bytes within an instruction's immediate or displacement: not a site, though a linear search finds them.
long immediates(void);
__asm__(
    ".text\n"
    "immediates:\n"
    "  mov $0x050f, %eax\n"
    "  add $0x0f050f05, %eax\n"
    "  lea 0x50f(%rax), %rax\n"
    "  movabs $0x11050f22050f3344, %rcx\n"
    "  xor %rcx, %rax\n"
    "  ret\n");

CASE(within_instructions) { say("%#lx", immediates()); }
