// A generated function with one call in it, run as often as the argument says: published, or in memory that is both.
//
//     generated-calls published|both COUNT
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef long (*function)(long);

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  int both = strcmp(argv[1], "both") == 0, protection = PROT_READ | PROT_WRITE | (both ? PROT_EXEC : 0);
  unsigned char *code = mmap(0, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // push %rbp; mov %rsp,%rbp; lea callee(%rip),%rax; call *%rax or call callee; pop %rbp; ret; callee: lea 1(%rdi),%rax; ret
  unsigned char indirect[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x8d, 0x05, 4, 0, 0, 0, 0xff, 0xd0, 0x5d, 0xc3, 0x48, 0x8d, 0x47, 1, 0xc3};
  unsigned char direct[] = {0x55, 0x48, 0x89, 0xe5, 0xe8, 2, 0, 0, 0, 0x5d, 0xc3, 0x48, 0x8d, 0x47, 1, 0xc3};
  if (both) memcpy(code, indirect, sizeof indirect);
  else memcpy(code, direct, sizeof direct);
  if (!both) mprotect(code, 4096, PROT_READ | PROT_EXEC);
  long sum = 0;
  for (long i = 0; i < atol(argv[2]); i++) sum = ((function)code)(sum);
  printf("%ld\n", sum);
  return 0;
}
