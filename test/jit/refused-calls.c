// Makes code in all ways that there are, and runs it, while the kernel refuses one of the calls that it takes (refused-calls.test.ts).
// A call of the program's own is made again when it is refused; results must be as ever, and as many mappings be left as without that.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, RWX = RW | PROT_EXEC, CYCLES = 6 };

typedef long (*function)(long);

static long bad;

static unsigned char *map(long pages, int protection, int flags, int file) {
  for (int i = 0; i < 2; i++) {
    void *at = mmap(0, pages * PAGE, protection, flags, file, 0);
    if (at != MAP_FAILED) return at;
  }
  perror("mmap");
  exit(1);
}

static void protect(unsigned char *at, long pages, int protection) {
  if (mprotect(at, pages * PAGE, protection) == 0 || mprotect(at, pages * PAGE, protection) == 0) return;
  perror("mprotect");
  exit(1);
}

static void unmap(unsigned char *at, long pages) {
  if (munmap(at, pages * PAGE) == 0 || munmap(at, pages * PAGE) == 0) return;
  perror("munmap");
  exit(1);
}

static unsigned char *move(unsigned char *at, long pages, long more) {
  for (int i = 0; i < 2; i++) {
    void *moved = mremap(at, pages * PAGE, more * PAGE, MREMAP_MAYMOVE);
    if (moved != MAP_FAILED) return moved;
  }
  perror("mremap");
  exit(1);
}

// push %rbp; mov %rsp,%rbp; mov $getppid,%eax; syscall; call behind; pop %rbp; ret; behind: lea n(%rdi),%rax; ret
static void make(unsigned char *at, int n) {
  static const unsigned char text[] = {0x55, 0x48, 0x89, 0xe5, 0xb8, 110, 0, 0, 0, 0x0f, 0x05, 0xe8, 2, 0, 0, 0, 0x5d, 0xc3, 0x48, 0x8d, 0x87};
  memcpy(at, text, sizeof text);
  memcpy(at + sizeof text, &n, 4);
  at[sizeof text + 4] = 0xc3;
}

static void expect(const unsigned char *at, int n) { bad += ((function)at)(1) != 1 + n; }

static void published(int cycle) {
  unsigned char *code = map(4, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  for (int i = 0; i < 4; i++) {
    // Over a border, too.
    for (int k = 0; k < 20; k++) make(code + 500 + k * 510, cycle + i + k);
    protect(code, 4, RX);
    for (int k = 0; k < 20; k++) expect(code + 500 + k * 510, cycle + i + k);
    protect(code, 4, RW);
  }
  code = move(code, 4, 40);
  protect(code, 4, RX);
  for (int k = 0; k < 20; k++) expect(code + 500 + k * 510, cycle + 3 + k);
  unmap(code, 40);
}

static void in_place(int cycle) {
  unsigned char *code = map(2, RWX, MAP_PRIVATE | MAP_ANONYMOUS, -1);
  for (int i = 0; i < 20; i++) {
    make(code + i * 200, cycle + i), make(code + PAGE - 8, i);
    expect(code + i * 200, cycle + i), expect(code + PAGE - 8, i);
  }
  unmap(code, 2);
}

static void in_views(int cycle) {
  int file = memfd_create("code", 0);
  if (file < 0 || ftruncate(file, 2 * PAGE) != 0) exit(1);
  unsigned char *writable = map(2, RW, MAP_SHARED, file), *code = map(2, RX, MAP_SHARED, file);
  for (int i = 0; i < 10; i++) {
    make(writable + i * 100, cycle + i), make(writable + PAGE - 8, i);
    expect(code + i * 100, cycle + i), expect(code + PAGE - 8, i);
  }
  unmap(code, 2), unmap(writable, 2), close(file);
}

static void in_reserved_views(int cycle) {
  int file = memfd_create("code", 0);
  if (file < 0 || ftruncate(file, 2 * PAGE) != 0) exit(1);
  unsigned char *code = map(2, PROT_NONE, MAP_SHARED, file);
  for (int i = 0; i < 5; i++) {
    unsigned char *writable = map(2, RW, MAP_SHARED, file);
    make(writable + i * 100, cycle + i), make(writable + PAGE - 8, i);
    unmap(writable, 2);
    protect(code, 1, RX), protect(code + PAGE, 1, RX);
    expect(code + i * 100, cycle + i), expect(code + PAGE - 8, i);
    protect(code + PAGE, 1, RW);
    make(code + PAGE + 100, cycle - i);
    protect(code + PAGE, 1, RX);
    expect(code + PAGE + 100, cycle - i);
  }
  unmap(code, 2), close(file);
}

static long mappings(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  long lines = 0;
  for (int c; maps && (c = getc(maps)) != EOF;) lines += c == '\n';
  if (maps) fclose(maps);
  return lines;
}

int main(void) {
  char byte;
  if (write(1, "ready\n", 6) != 6 || read(0, &byte, 1) != 1) return 1;
  for (int cycle = 0; cycle < CYCLES; cycle++)
    published(cycle), in_place(cycle), in_views(cycle), in_reserved_views(cycle);
  printf("bad %ld, %ld mappings\n", bad, mappings());
  return 0;
}
