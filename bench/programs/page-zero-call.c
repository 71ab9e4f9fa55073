// `call *%rax` in the place of `syscall`, as zpoline has it (Yasukawa et al., USENIX ATC 2023): page-zero-call COUNT.
//
// rax is the call's number, so the call goes to page 0, where nops lead to a hook; here the cheapest, which makes the call. It
// needs page 0, that is vm.mmap_min_addr = 0 or CAP_SYS_RAWIO, and the return address goes onto the program's stack: no
// red zone may be in use (this program is compiled without).
#include "timed-calls.h"
#include <string.h>
#include <sys/mman.h>

enum { PAGE_SIZE = 4096, SLED_SIZE = 1024 };

int main(int argc, char **argv) {
  // 0f 05   syscall
  // c3      ret
  static const unsigned char hook[] = {0x0f, 0x05, 0xc3};
  long count = count_of(argc, argv);
  unsigned char *page = mmap(0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (page == MAP_FAILED) {
    perror("page 0");
    return NOT_PERMITTED;
  }
  __asm__("" : "+r"(page));  // The compiler takes a null pointer for what is never written.
  memset(page, 0x90, SLED_SIZE);
  memcpy(page + SLED_SIZE, hook, sizeof hook);
  if (mprotect(page, PAGE_SIZE, PROT_READ | PROT_EXEC) != 0) {
    perror("page 0");
    return NOT_PERMITTED;
  }
  // ff d0   call *%rax, over native_call's 0f 05
  unsigned char *code = (unsigned char *)native_call;
  while (code[0] != 0x0f || code[1] != 0x05) code++;
  unsigned char *start = (unsigned char *)((unsigned long)code & -PAGE_SIZE);
  if (mprotect(start, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return 1;
  code[0] = 0xff;
  code[1] = 0xd0;
  printf("%.3f\n", time_calls(count, native_call));
  return 0;
}
