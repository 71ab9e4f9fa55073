// Instructions that mean something by their place: calls in every form, relative branches, operands relative to rip and rsp. Under
// --match, each of them runs in a trampoline, with the results, faults and interrupted states that it has in its own place.
// variants: dynamic static
// options: --match=all
// options: --match=jump
// options: --match=call
// options: --match=ret
// options: --match=load
// options: --match=store
// options: --match=all --only-traps
#include "cases.h"
#include <sys/time.h>
#include <ucontext.h>

// ---- calls

long add_seven(long x);
long call_relative(long x), call_register(long x), call_r12(long x), call_rip(long x), call_stack(long x), call_stack_far(long x),
    call_stack_index(long x), call_red(long x), call_memory(long x), call_notrack(long x), return_address(void), returns_past(long x),
    reads_its_return(void);
__asm__(
    ".text\n"
    ".macro FUNCTION name\n .globl \\name\n .type \\name,@function\n\\name: .cfi_startproc\n.endm\n"
    ".macro END\n .cfi_endproc\n.endm\n"
    ".data\npointer_to_add: .quad add_seven\n.text\n"
    "FUNCTION add_seven; lea 7(%rdi),%rax; ret; END\n"
    "FUNCTION call_relative; call add_seven; inc %rax; ret; END\n"
    "FUNCTION call_register; lea add_seven(%rip),%rax; call *%rax; inc %rax; ret; END\n"
    "FUNCTION call_r12; push %r12; lea add_seven(%rip),%r12; call *%r12; pop %r12; inc %rax; ret; END\n"
    "FUNCTION call_rip; call *pointer_to_add(%rip); inc %rax; ret; END\n"
    // The operand is read before the return address is pushed: SDM volume 2, "CALL".
    "FUNCTION call_stack; lea add_seven(%rip),%rax; push %rax; call *(%rsp); pop %rcx; inc %rax; ret; END\n"
    "FUNCTION call_stack_far; lea add_seven(%rip),%rax; sub $256,%rsp; mov %rax,124(%rsp); mov %rax,200(%rsp); call *124(%rsp);"
    "  mov %rax,%rdi; call *200(%rsp); add $256,%rsp; inc %rax; ret; END\n"
    "FUNCTION call_stack_index; lea add_seven(%rip),%rax; push %rax; push %rax; mov $1,%ecx; call *(%rsp,%rcx,8); add $16,%rsp; inc %rax; ret; END\n"
    "FUNCTION call_memory; push %rbx; lea pointer_to_add(%rip),%rbx; call *(%rbx); pop %rbx; inc %rax; ret; END\n"
    "FUNCTION call_notrack; lea add_seven(%rip),%rax; .byte 0x3e; call *%rax; inc %rax; ret; END\n"
    // The pushed address is the program's own, whatever the call became.
    "FUNCTION return_address; call 1f; 1: pop %rax; lea 1b(%rip),%rcx; sub %rcx,%rax; ret; END\n"
    "FUNCTION return_it; mov (%rsp),%rax; ret; END\n"
    "FUNCTION reads_its_return; lea return_it(%rip),%rcx; call *%rcx; 1: lea 1b(%rip),%rcx; sub %rcx,%rax; ret; END\n"
    "FUNCTION skip_three; addq $3,(%rsp); ret; END\n"
    "FUNCTION returns_past; mov %rdi,%rax; call skip_three; inc %rax; ret; END\n");

CASE(calls) {
  check_equal(call_relative(1), 9);
  check_equal(call_register(2), 10);
  check_equal(call_r12(3), 11);
  check_equal(call_rip(4), 12);
  check_equal(call_stack(5), 13);
  check_equal(call_stack_far(6), 21);
  check_equal(call_stack_index(7), 15);
  check_equal(call_memory(8), 16);
  check_equal(call_notrack(9), 17);
  check_equal(return_address(), 0);
  check_equal(reads_its_return(), 0);
  check_equal(returns_past(40), 40);
}

// ---- branches

long sum_by_loop(long n), count_by_jrcxz(long n), loop_equal(long n), far_conditions(long x), table_jump(long i), ret_with_pop(long x);
__asm__(
    ".text\n"
    "FUNCTION sum_by_loop; mov %rdi,%rcx; xor %eax,%eax; 1: add %rcx,%rax; loop 1b; ret; END\n"
    "FUNCTION count_by_jrcxz; mov %rdi,%rcx; xor %eax,%eax; 1: jrcxz 2f; dec %rcx; inc %rax; jmp 1b; 2: ret; END\n"
    "FUNCTION loop_equal; mov %rdi,%rcx; xor %eax,%eax; 1: inc %rax; cmp %rax,%rax; loope 1b; mov $3,%ecx; 2: inc %rax; cmp %rcx,%rax; loopne 2b; ret; END\n"
    "FUNCTION far_conditions; xor %eax,%eax; test %rdi,%rdi; js 1f; jp 2f; inc %rax; 2: add $2,%rax; cmp $100,%rdi; jge 3f; add $4,%rax; ret;"
    "  1: mov $-1,%rax; ret; .skip 300,0x90; 3: add $8,%rax; ret; END\n"
    "FUNCTION table_jump; lea 9f(%rip),%rax; movslq (%rax,%rdi,4),%rcx; add %rcx,%rax; jmp *%rax; 1: mov $10,%eax; ret; 2: mov $20,%eax; ret; 3: mov $30,%eax; ret; END\n"
    ".section .rodata; .balign 4; 9: .long 1b-9b,2b-9b,3b-9b; .text\n"
    "FUNCTION pops_eight; lea 1(%rdi),%rax; ret $8; END\n"
    "FUNCTION ret_with_pop; push %rdi; call pops_eight; inc %rax; ret; END\n");

CASE(branches) {
  check_equal(sum_by_loop(100), 5050);
  check_equal(count_by_jrcxz(17), 17);
  say("loop_equal %ld", loop_equal(4));
  for (long x = -1; x < 4; x++) say("far_conditions %ld: %ld", x, far_conditions(x));
  say("far_conditions 100: %ld", far_conditions(100));
  check_equal(table_jump(0), 10);
  check_equal(table_jump(1), 20);
  check_equal(table_jump(2), 30);
  check_equal(ret_with_pop(5), 7);
}

// ---- faults: the counter and the stack pointer are those of the instruction

long fault_call(void *target), fault_jump(void *target), fault_load(void *target), fault_store(void *target), fault_call_stack(void *target),
    fault_pop(void *target);
extern char at_call[], at_jump[], at_load[], at_store[], at_call_stack[], at_pop[];
__asm__(
    ".text\n"
    "FUNCTION fault_call; mov %rsp,%r8; .globl at_call; at_call: call *(%rdi); ret; END\n"
    "FUNCTION fault_jump; mov %rsp,%r8; .globl at_jump; at_jump: jmp *(%rdi); END\n"
    "FUNCTION fault_load; mov %rsp,%r8; .globl at_load; at_load: mov 8(%rdi),%rax; ret; END\n"
    "FUNCTION fault_store; mov %rsp,%r8; .globl at_store; at_store: movl $5,8(%rdi); ret; END\n"
    "FUNCTION fault_pop; mov %rsp,%r9; mov %rdi,%rsp; mov %rsp,%r8; .globl at_pop; at_pop: pop %rax; mov %r9,%rsp; ret; END\n");

static sigjmp_buf back;
static const char *wanted;
static void on_fault(int signal, siginfo_t *info, void *context) {
  const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  check((const char *)registers[REG_RIP] == wanted);
  check(registers[REG_RSP] == registers[REG_R8]);
  say("signal %d, code %d, address %p", signal, info->si_code, info->si_addr);
  siglongjmp(back, 1);
}

static void expect_fault(long (*function)(void *), const char *at, void *argument) {
  wanted = at;
  if (sigsetjmp(back, 1) == 0) {
    function(argument);
    say("no fault");
  }
}

static char own_stack[65536] __attribute__((aligned(16)));

CASE(faults) {
  stack_t stack = {.ss_sp = own_stack, .ss_size = sizeof own_stack};
  check(sigaltstack(&stack, 0) == 0);
  install(SIGSEGV, on_fault, SA_ONSTACK);
  expect_fault(fault_call, at_call, (void *)64);
  expect_fault(fault_jump, at_jump, (void *)64);
  expect_fault(fault_load, at_load, (void *)64);
  expect_fault(fault_store, at_store, (void *)64);
  expect_fault(fault_pop, at_pop, (void *)64);
}

// ---- signals at any instruction: what a handler sees is the program's

long all_forms(long rounds);
__asm__(
    ".text\n"
    "FUNCTION leaf_of_forms; lea 1(%rdi),%rax; ret; END\n"
    "FUNCTION all_forms; .cfi_def_cfa_offset 8; push %rbx; push %r12; push %r13; mov %rdi,%rbx; xor %r13d,%r13d; lea leaf_of_forms(%rip),%r12;"
    "1: mov %rbx,%rdi; call leaf_of_forms; add %rax,%r13; call *%r12; add %rax,%r13; push %r12; call *(%rsp); pop %rcx; add %rax,%r13;"
    "  mov $3,%ecx; 2: loop 2b; jrcxz 3f; ud2; 3: cmpq $0,(%rsp); mov %rbx,-8(%rsp); mov -8(%rsp),%rdx; add %rdx,%r13; dec %rbx; jne 1b;"
    "  mov %r13,%rax; pop %r13; pop %r12; pop %rbx; ret; END\n");

static struct { unsigned long start, end; } code[64];
static int code_count;
static void find_code(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[4400];
  while (fgets(line, sizeof line, maps) && code_count < 64) {
    unsigned long start, end;
    char protection[8];
    if (sscanf(line, "%lx-%lx %7s", &start, &end, protection) != 3 || protection[2] != 'x') continue;
    // A file's, or the kernel's own.
    if (!strchr(line, '/') && !strchr(line, '[')) continue;
    code[code_count].start = start;
    code[code_count++].end = end;
  }
  fclose(maps);
}

static volatile long elsewhere;
static void on_tick(int signal, siginfo_t *info, void *context) {
  unsigned long at = (unsigned long)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  for (int i = 0; i < code_count; i++) if (at >= code[i].start && at < code[i].end) return;
  elsewhere++;
}

CASE(interrupted) {
  find_code();
  install(SIGALRM, on_tick, SA_RESTART);
  struct itimerval interval = {{0, 200}, {0, 200}};
  check(setitimer(ITIMER_REAL, &interval, 0) == 0);
  for (int i = 0; i < 200; i++) {
    // Three calls of n + 1 and one n a round: 4 n + 3 for n = 50..1.
    check_equal(all_forms(50), 4 * 1275 + 150);
  }
  struct itimerval none = {{0, 0}, {0, 0}};
  check(setitimer(ITIMER_REAL, &none, 0) == 0);
  check_equal(elsewhere, 0);
}

// ---- code that the program changes, drops, maps over and unmaps

#define PAGE 4096
long first_changed(long x), across_pages(long x), second_changed(long x), third_changed(long x);
extern unsigned char changed_code[];
__asm__(
    ".section .changed,\"ax\"\n .balign 4096\n changed_code:\n"
    "FUNCTION first_changed; mov $1,%eax; push %rbx; mov %rdi,%rbx; add %rbx,%rax; pop %rbx; call 1f; ret; 1: inc %rax; ret; END\n"
    ".org changed_code + 4096 - 9\n"
    "FUNCTION across_pages; push %rbx; mov %rdi,%rbx; lea 2(%rbx),%rax; cmp $3,%rax; je 1f; add %rbx,%rax; 1: pop %rbx; ret; END\n"
    "FUNCTION second_changed; mov $3,%eax; mov %rax,-8(%rsp); add -8(%rsp),%rdi; jmp 1f; ud2; 1: mov %rdi,%rax; ret; END\n"
    ".org changed_code + 2 * 4096\n"
    "FUNCTION third_changed; push %rdi; call first_changed; pop %rdi; add %rdi,%rax; ret; END\n"
    ".org changed_code + 3 * 4096\n .text\n");

static void change(unsigned char *at, unsigned char from, unsigned char to, int protection) {
  check(mprotect(changed_code, PAGE, protection) == 0);
  check_equal(*at, from);
  *at = to;
  check(mprotect(changed_code, PAGE, PROT_READ | PROT_EXEC) == 0);
}

CASE(changed) {
  // mov $n,%eax
  unsigned char *number = changed_code + 1;
  check_equal(first_changed(1), 3);
  change(number, 1, 5, PROT_READ | PROT_WRITE);
  check_equal(first_changed(1), 7);
  check_equal(across_pages(5), 12);
  change(number, 5, 7, PROT_READ | PROT_WRITE | PROT_EXEC);
  check_equal(first_changed(1), 9);
  check_equal(third_changed(1), 10);
  // A private page of a file comes back as it is in the file.
  check(madvise(changed_code, PAGE, MADV_DONTNEED) == 0);
  check_equal(first_changed(1), 3);
  check_equal(across_pages(1), 3);
  check_equal(third_changed(1), 4);

  // The page in the middle holds the end of one function.
  static const unsigned char nine[] = {0xb8, 9, 0, 0, 0, 0xc3};
  unsigned char *middle = changed_code + PAGE;
  long offset = (char *)second_changed - (char *)middle;
  check(mmap(middle, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
  memcpy(middle + offset, nine, sizeof nine);
  check(mprotect(middle, PAGE, PROT_READ | PROT_EXEC) == 0);
  check_equal(second_changed(1), 9);
  check_equal(first_changed(1), 3);
  check_equal(third_changed(1), 4);
  check(munmap(middle, PAGE) == 0);
  check_equal(first_changed(2), 4);
  check_equal(third_changed(2), 6);
  // Its start is what it was.
  static const unsigned char start[] = {0x53, 0x48, 0x89, 0xfb, 0x48, 0x8d, 0x43, 0x02, 0x48};
  check(mprotect(changed_code, PAGE, PROT_READ | PROT_WRITE) == 0);
  check_equal(memcmp(middle - 9, start, sizeof start), 0);
  check(mprotect(changed_code, PAGE, PROT_READ | PROT_EXEC) == 0);
  check_equal(first_changed(3), 5);
}
