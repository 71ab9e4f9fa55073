// A generated function with one call in it, run as often as the argument says: published, or in memory that is both; or what is called
// looks at the code that it returns to, as .NET does when it walks a stack.
//
//     generated-calls published|both|looked-at COUNT
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef long (*function)(long);

// lea 0,%rdx: a jump in the place of the two bytes in front of it would lead 345 MB up, where nothing else can be; and a jump has room here.
static const unsigned char behind[] = {0x48, 0x8d, 0x14, 0x25, 0, 0, 0, 0};

static long look_behind(long n) {
  return n + 1 + 1000000 * (memcmp(__builtin_return_address(0), behind, sizeof behind) != 0);
}

static unsigned char *call_that_is_looked_at(void) {
  unsigned char *code = mmap(0, 2L << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), *at = code;
  long (*callee)(long) = look_behind;
  mprotect(code, 4096, PROT_READ | PROT_WRITE);
  // push %rbp; mov %rsp,%rbp; movabs $callee,%rax; call *%rax; lea 0,%rdx; pop %rbp; ret
  memcpy(at, "\x55\x48\x89\xe5\x48\xb8", 6), at += 6;
  memcpy(at, &callee, 8), at += 8;
  memcpy(at, "\xff\xd0", 2), at += 2;
  memcpy(at, behind, sizeof behind), at += sizeof behind;
  memcpy(at, "\x5d\xc3", 2);
  mprotect(code, 4096, PROT_READ | PROT_EXEC);
  return code;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int both = strcmp(argv[1], "both") == 0, protection = PROT_READ | PROT_WRITE | (both ? PROT_EXEC : 0);
  int is_looked_at = strcmp(argv[1], "looked-at") == 0;
  unsigned char *code = is_looked_at ? call_that_is_looked_at() : mmap(0, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // push %rbp; mov %rsp,%rbp; lea callee(%rip),%rax; call *%rax or call callee; pop %rbp; ret; callee: lea 1(%rdi),%rax; ret
  unsigned char indirect[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x8d, 0x05, 4, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3, 0x48, 0x8d, 0x47, 1, 0xc3};
  unsigned char direct[] = {0x55, 0x48, 0x89, 0xe5, 0xe8, 2, 0, 0, 0, 0x5d, 0xc3, 0x48, 0x8d, 0x47, 1, 0xc3};
  if (both) memcpy(code, indirect, sizeof indirect);
  else if (!is_looked_at) memcpy(code, direct, sizeof direct);
  if (!both && !is_looked_at) mprotect(code, 4096, PROT_READ | PROT_EXEC);
  long sum = 0;
  for (long i = 0; i < atol(argv[2]); i++) sum = ((function)code)(sum);
  printf("%ld\n", sum);
  return 0;
}
