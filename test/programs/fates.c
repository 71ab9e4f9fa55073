// Every fate that a `syscall` can have, for the statistics to count (test/oracle/fates.test.ts). glibc's own sites, in the
// static program, are evicted around (T2, T3). The assembly makes what compilers do not: sites among `endbr64`, which is
// never evicted, whose successor leaves one tactic only. The program is fixed at 4 MiB: jumps below it do not work, and
// 544 MiB above its end are the heap's.
//
//   successor               bytes            B2: rel32 = xx b0 b1 b2    T1: rel32 = b0 b1 b2 b3
//   lock incl -128(%rsp)    f0 ff 44 24 80   0x44fff0xx: 1.1 GB above
//   lock addl $0,word       f0 83 04 25 ..   0x0483f0xx: heap           0x250483f0: 621 MB above
//   endbr64                 f3 0f 1e fa      0x1e0ff3xx: heap           0xfa1e0ff3: below 0      so: a trap
//
// `dump_and_map FILE` writes the program's executable segment and the vDSO as they are now into FILE, then maps that segment
// once more while no page of it may become writable. `map_unwritable` does so with the page of the trapped site.
// variants: static
#include "cases.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/resource.h>

int lock_word;

#define SITE(name, successor)                                                                                            \
  __asm__(".pushsection .text\n.type " #name ", @function\n" #name ":\n.rept 64\nendbr64\n.endr\n.global " #name "_site\n" \
          #name "_site: syscall\n" successor "\n.rept 64\nendbr64\n.endr\nret\n.popsection\n");                           \
  extern char name##_site[];                                                                                             \
  long name(void)
SITE(punned, "lock incl -128(%rsp)");
SITE(padded, "lock addl $0, lock_word");
// On a page of its own.
__asm__(".pushsection .text\n.balign 4096\n.popsection");
SITE(trapped, "endbr64");
__asm__(".pushsection .text\n.balign 4096\n.popsection");

static long call(long (*function)(void), long number) {
  long result;
  __asm__ volatile("call *%2" : "=a"(result) : "0"(number), "r"(function) : "rcx", "r11", "memory");
  return result;
}

// Pseudo-random words with 0f 05 in every fourth, among functions: doubtful, or inside something by chance.
__asm__(".pushsection .text\n.balign 16\n.global table\ntable:\n.set seed, 4711\n.rept 512\n"
        ".rept 3\n.set seed, (seed * 1103515245 + 12345) & 0x7fffffff\n.long seed\n.endr\n"
        ".set seed, (seed * 1103515245 + 12345) & 0x7fffffff\n.long (seed & 0x7f0000ff) | 0x050f00\n.endr\n"
        ".global table_end\ntable_end:\n.size table, .-table\n.type table, @object\n.popsection\n");

/** The bytes 0f 05 as part of an instruction. */
static int inside(void) {
  int value;
  __asm__ volatile("movl $0x0000050f, %0" : "=r"(value));
  return value;
}

extern char __executable_start[];

static void dump(int file, const char *start, const char *end) {
  check(write(file, start, (size_t)(end - start)) == end - start);
}

static const Elf64_Phdr *executable_segment(const char *image) {
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
  const Elf64_Phdr *segment = (const Elf64_Phdr *)(image + header->e_phoff);
  while (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X)) segment++;
  return segment;
}

/** Maps a part of the program's file when private pages may not become writable: they count as data. */
static void map_unwritable(unsigned long offset, unsigned long size) {
  int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct rlimit old, limit;
  check(program >= 0 && getrlimit(RLIMIT_DATA, &old) == 0);
  limit = old;
  limit.rlim_cur = 4096;
  check(setrlimit(RLIMIT_DATA, &limit) == 0);
  void *place = mmap(0, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, program, (long)offset);
  check(setrlimit(RLIMIT_DATA, &old) == 0);
  check(place != MAP_FAILED);
}

CASE(sites) {
  int wrong = 0;
  for (int i = 0; i < 1000; i++) wrong += call(trapped, SYS_getppid) != getppid();
  say("wrong %d, ppid %d %d, word %d, inside %#x", wrong, call(punned, SYS_getppid) == getppid(),
      call(padded, SYS_getppid) == getppid(), lock_word, inside());
}

CASE(dump_and_map) {
  case_sites();
  if (!case_argv[1] || !case_argv[2]) return;
  const Elf64_Phdr *segment = executable_segment(__executable_start);
  const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
  int file = open(case_argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  dump(file, (const char *)segment->p_vaddr, (const char *)segment->p_vaddr + segment->p_filesz);
  // Section headers stand behind the segment, up to the page's end.
  const Elf64_Phdr *code = executable_segment(vdso);
  dump(file, vdso, vdso + ((code->p_offset + code->p_filesz + 4095) & ~4095ul));
  map_unwritable(segment->p_offset, (segment->p_memsz + 4095) & ~4095ul);
}

CASE(map_unwritable) {
  const Elf64_Phdr *segment = executable_segment(__executable_start);
  unsigned long page = (unsigned long)trapped & ~4095ul;
  map_unwritable(page - segment->p_vaddr + segment->p_offset, 4096);
  say("mapped");
}
