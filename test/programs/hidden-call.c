// A system call that looks like data: invalid bytes all around, no unwind table over it. It runs all the same, and the kernel
// sees it first.
// variants: dynamic
#include <unistd.h>

__asm__(".pushsection .text\n.fill 160, 1, 0x06\nhidden: mov $39, %eax\n.global hidden_site\nhidden_site: syscall\nret\n"
        ".fill 160, 1, 0x06\n.popsection\n");
extern long hidden(void);

int main(void) { return hidden() == getpid() ? 0 : 1; }
