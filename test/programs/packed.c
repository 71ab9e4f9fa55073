// What a packer's stub does (UPX): no code of the program is in a file that is mapped. packed FILE ARGV... unpacks the program
// FILE into anonymous memory, byte by byte, makes it executable, and enters it with ARGV. Its interpreter is mapped the same way.
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

__asm__(".globl _start\n_start: mov %rsp, %rdi\ncall unpack\nud2\n");

static long call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static void fail(int status) { call(SYS_exit_group, status, 0, 0, 0, 0, 0); }

static unsigned long page_floor(unsigned long address) { return address & -4096ul; }
static unsigned long page_ceil(unsigned long address) { return page_floor(address + 4095); }

struct image {
  unsigned long bias, entry, headers, header_count;
  const char *interpreter;
};

static void unpack_file(const char *path, struct image *image) {
  long file = call(SYS_open, (long)path, O_RDONLY, 0, 0, 0, 0);
  long size = call(SYS_lseek, file, 0, 2, 0, 0, 0);
  if (file < 0 || size < 0) fail(90);
  volatile unsigned char *bytes = (void *)call(SYS_mmap, 0, size, PROT_READ, MAP_PRIVATE, file, 0);
  call(SYS_close, file, 0, 0, 0, 0, 0);
  Elf64_Ehdr *header = (Elf64_Ehdr *)bytes;
  Elf64_Phdr *segments = (Elf64_Phdr *)(bytes + header->e_phoff);
  unsigned long low = -1ul, high = 0;
  image->interpreter = 0;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segments[i].p_type == PT_INTERP) image->interpreter = (const char *)bytes + segments[i].p_offset;
    if (segments[i].p_type != PT_LOAD) continue;
    if (page_floor(segments[i].p_vaddr) < low) low = page_floor(segments[i].p_vaddr);
    if (segments[i].p_vaddr + segments[i].p_memsz > high) high = page_ceil(segments[i].p_vaddr + segments[i].p_memsz);
  }
  long wanted = header->e_type == ET_DYN ? 0 : (long)low;
  long got = call(SYS_mmap, wanted, high - low, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | (wanted ? MAP_FIXED_NOREPLACE : 0), -1, 0);
  if (got < 0 && got > -4096) fail(91);
  image->bias = got - low;
  for (int i = 0; i < header->e_phnum; i++) {
    if (segments[i].p_type != PT_LOAD) continue;
    volatile unsigned char *to = (unsigned char *)(image->bias + segments[i].p_vaddr);
    // Backwards, as if it were decompressed.
    for (unsigned long at = segments[i].p_filesz; at-- > 0;) to[at] = bytes[segments[i].p_offset + at];
    unsigned long start = page_floor(image->bias + segments[i].p_vaddr);
    unsigned long end = page_ceil(image->bias + segments[i].p_vaddr + segments[i].p_memsz);
    int protection = (segments[i].p_flags & PF_R ? PROT_READ : 0) | (segments[i].p_flags & PF_W ? PROT_WRITE : 0) |
                     (segments[i].p_flags & PF_X ? PROT_EXEC : 0);
    if (call(SYS_mprotect, start, end - start, protection, 0, 0, 0) != 0) fail(92);
  }
  image->entry = image->bias + header->e_entry;
  image->headers = image->bias + low + header->e_phoff;
  image->header_count = header->e_phnum;
}

void unpack(unsigned long *stack) {
  struct image program, interpreter;
  unsigned long *argv = stack + 1;
  if (stack[0] < 3) fail(93);
  unpack_file((const char *)argv[1], &program);
  unsigned long entry = program.entry;
  interpreter.bias = 0;
  if (program.interpreter) {
    unpack_file(program.interpreter, &interpreter);
    entry = interpreter.entry;
  }
  // The two words in front are the stub's own; the stack stays aligned without them.
  stack[2] = stack[0] - 2;
  stack += 2;
  unsigned long *word = stack + 1;
  while (*word) word++;
  word++;
  while (*word) word++;
  word++;
  for (; word[0] != AT_NULL; word += 2) {
    if (word[0] == AT_PHDR) word[1] = program.headers;
    if (word[0] == AT_PHNUM) word[1] = program.header_count;
    if (word[0] == AT_ENTRY) word[1] = program.entry;
    if (word[0] == AT_BASE) word[1] = interpreter.bias;
  }
  __asm__ volatile("mov %0, %%rsp\nxor %%edx, %%edx\njmp *%1" : : "a"(stack), "c"(entry) : "memory");
}
