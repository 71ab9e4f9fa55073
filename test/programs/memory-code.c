// Code that the program makes executable after it was mapped, changes, drops, moves and unmaps in part. Whether a system
// call in it is seen by Flicker shows in what it says of /proc/self/exe: the program, not the launcher.
// variants: dynamic static musl-static
// options:
// options: --match=store
#include "cases.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define PAGE 4096

// mov $89 (readlink),%eax; syscall; movabs $0x1122334455667788,%r8; ret
static const unsigned char read_link[] = {0xb8, 89, 0, 0, 0, 0x0f, 0x05, 0x49, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xc3};
// mov $39 (getpid),%eax; syscall; ret: in a place where the other one was
static const unsigned char get_pid[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
// mov $89,%eax; syscall; ret
static const unsigned char short_link[] = {0xb8, 89, 0, 0, 0, 0x0f, 0x05, 0xc3};

static unsigned long eighth;

static long call(const void *code, const char *path, char *target, long size) {
  register unsigned long r8 __asm__("r8") = 0;
  long result = 0;
  __asm__ volatile("call *%3" : "=a"(result), "+r"(r8) : "0"(0), "r"(code), "D"(path), "S"(target), "d"(size) : "rcx", "r11", "memory");
  eighth = r8;
  return result;
}

static int names_program(const void *code) {
  char target[4096] = "", own[4096];
  long size = call(code, "/proc/self/exe", target, sizeof target - 1);
  return realpath(case_argv[0], own) && size == (long)strlen(own) && memcmp(target, own, size) == 0;
}

// A file of pages of nops with the code at an offset.
static int code_file(const char *name, int pages, const unsigned char *code, size_t size, size_t at) {
  unsigned char *content = malloc(pages * PAGE);
  memset(content, 0x90, pages * PAGE);
  memcpy(content + at, code, size);
  int file = open(name, O_CREAT | O_RDWR | O_TRUNC, 0700);
  check(write(file, content, pages * PAGE) == pages * PAGE);
  free(content);
  return file;
}

static int is_unchanged(const char *name, const unsigned char *code, size_t size, size_t at) {
  unsigned char content[64];
  int file = open(name, O_RDONLY);
  check(pread(file, content, size, at) == (ssize_t)size);
  close(file);
  return memcmp(content, code, size) == 0;
}

CASE(file_protected_later) {
  int file = code_file("code", 4, read_link, sizeof read_link, 5000);
  int readable = open("code", O_RDONLY);
  for (int i = 0; i < 6; i++) {
    // Not of a descriptor that can be written: what is shared through that stays shared, and runs as it is.
    int flags = i == 1 || i == 3 ? MAP_SHARED : MAP_PRIVATE, from = i / 2 == 0 ? PROT_READ : i / 2 == 1 ? PROT_NONE : PROT_READ | PROT_WRITE;
    unsigned char *code = mmap(0, 4 * PAGE, from, flags, i / 2 == 2 ? file : readable, 0);
    check(code != MAP_FAILED && mprotect(code, 4 * PAGE, PROT_READ | PROT_EXEC) == 0);
    say("%d: names the program %d, %#lx", i, names_program(code + 5000), eighth);
    if (i % 3 == 0) check(munmap(code, 4 * PAGE) == 0);
  }
  say("file unchanged %d", is_unchanged("code", read_link, sizeof read_link, 5000));
}

CASE(written_then_executable) {
  unsigned char *code = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int good = 0;
  for (int i = 0; i < 50; i++) {
    memset(code, 0x90, 3 * PAGE);
    memcpy(code + 100 * i, read_link, sizeof read_link);
    check(mprotect(code, 3 * PAGE, PROT_READ | PROT_EXEC) == 0);
    good += names_program(code + 100 * i);
    check(mprotect(code, 3 * PAGE, PROT_READ | PROT_WRITE) == 0);
    // What was written is what is read.
    good += memcmp(code + 100 * i, read_link, sizeof read_link) == 0;
  }
  say("good %d", good);
}

CASE(executable_only) {
  int file = code_file("code", 1, read_link, sizeof read_link, 64);
  unsigned char *code = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
  check(mprotect(code, PAGE, PROT_EXEC) == 0);
  say("names the program %d", names_program(code + 64));
}

CASE(past_the_end_of_a_file) {
  int file = code_file("code", 1, read_link, sizeof read_link, 64);
  unsigned char *code = mmap(0, 8 * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
  check(mprotect(code, 8 * PAGE, PROT_READ | PROT_EXEC) == 0);
  say("names the program %d", names_program(code + 64));
}

CASE(up_to_a_hole) {
  unsigned char *code = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(code, 0x90, PAGE);
  memcpy(code + 64, read_link, sizeof read_link);
  check(munmap(code + 2 * PAGE, PAGE) == 0);
  check_equal(raw(SYS_mprotect, (long)code, 4 * PAGE, PROT_READ | PROT_EXEC, 0, 0, 0), -ENOMEM);
  say("names the program %d", names_program(code + 64));
  check_equal(raw(SYS_mprotect, (long)code, 4 * PAGE, PROT_READ | PROT_WRITE, 0, 0, 0), -ENOMEM);
  say("writable %d", (code[64] = 0xb9) == 0xb9 && memcmp(code + 65, read_link + 1, sizeof read_link - 1) == 0);
  check_equal(raw(SYS_mprotect, (long)code, PAGE + 1, 64, 0, 0, 0), -EINVAL);
}

// As ld.so relocates text: writable, or writable and executable, then executable again.
static void relocate(int while_writing) {
  int file = code_file("code", 2, read_link, sizeof read_link, 200);
  unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  say("before: names the program %d, %#lx", names_program(code + 200), eighth);
  for (unsigned long i = 1; i < 20; i++) {
    check(mprotect(code, 2 * PAGE, while_writing) == 0);
    unsigned long value = i * 0x0101010101010101, old;
    memcpy(&old, code + 200 + 9, 8);
    check_equal(old, i == 1 ? 0x1122334455667788 : (i - 1) * 0x0101010101010101);
    memcpy(code + 200 + 9, &value, 8);
    if (while_writing & PROT_EXEC) check(names_program(code + 200) && eighth == value);
    check(mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
    check(names_program(code + 200));
    check_equal(eighth, value);
  }
  // Other code in its place.
  check(mprotect(code, 2 * PAGE, while_writing) == 0);
  memcpy(code + 200, get_pid, sizeof get_pid);
  check(mprotect(code, 2 * PAGE, PROT_READ | PROT_EXEC) == 0);
  check_equal(call(code + 200, 0, 0, 0), getpid());
  say("file unchanged %d", is_unchanged("code", read_link, sizeof read_link, 200));
}

CASE(relocations_in_writable_text) { relocate(PROT_READ | PROT_WRITE); }
CASE(relocations_in_executable_text) { relocate(PROT_READ | PROT_WRITE | PROT_EXEC); }

CASE(protected_and_back) {
  int file = code_file("code", 1, read_link, sizeof read_link, 64);
  unsigned char *code = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  for (int i = 0; i < 10; i++) {
    check(mprotect(code, PAGE, i % 2 ? PROT_NONE : PROT_READ) == 0);
    pid_t pid = fork();
    if (pid == 0) {
      call(code + 64, "", 0, 0);
      _exit(0);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
    check(names_program(code + 64));
  }
  say("done");
}

CASE(dropped) {
  int file = code_file("code", 2, read_link, sizeof read_link, 200);
  unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  for (int i = 0; i < 10; i++) {
    check(madvise(code, (1 + i % 2) * PAGE, MADV_DONTNEED) == 0);
    check(names_program(code + 200));
  }
  // What was written into it goes with it.
  unsigned long value = 5;
  check(mprotect(code, PAGE, PROT_READ | PROT_WRITE) == 0);
  memcpy(code + 200 + 9, &value, 8);
  check(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
  check(names_program(code + 200) && eighth == 5);
  check(madvise(code, PAGE, MADV_DONTNEED) == 0);
  int good = names_program(code + 200);
  say("names the program %d, %#lx", good, eighth);
  unsigned char *memory = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(memory, read_link, sizeof read_link);
  check(mprotect(memory, PAGE, PROT_READ | PROT_EXEC) == 0 && names_program(memory));
  check(madvise(memory, PAGE, MADV_DONTNEED) == 0);
  int zeros = 0;
  for (int i = 0; i < PAGE; i++) zeros += memory[i] == 0;
  say("zeros %d", zeros);
}

CASE(dropped_across) {
  // The `syscall`, and what a jump in its place needs of the instruction behind it, lie on two pages; one of them is dropped.
  for (int behind = 0; behind < 8; behind++) {
    size_t at = PAGE - sizeof read_link + behind + 4;
    int file = code_file("code", 2, read_link, sizeof read_link, at);
    unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    int good = names_program(code + at);
    for (int page = 0; page < 2; page++) {
      check(madvise(code + page * PAGE, PAGE, MADV_DONTNEED) == 0);
      good += names_program(code + at) && eighth == 0x1122334455667788;
    }
    say("code at %zu: names the program %d", at, good);
    munmap(code, 2 * PAGE);
    close(file);
  }
}

static int works(void) {
  char target[4096], own[4096];
  ssize_t size = readlink("/proc/self/exe", target, sizeof target);
  int ends[2], status;
  char byte = 1;
  if (!realpath(case_argv[0], own) || size != (ssize_t)strlen(own) || memcmp(own, target, size) != 0) return 0;
  if (pipe(ends) != 0 || write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return 0;
  close(ends[0]);
  close(ends[1]);
  pid_t pid = fork();
  if (pid == 0) _exit(3);
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3;
}

// Calls `act` for each executable mapping of a file; how often it failed.
static int for_each_text(int (*act)(char *start, size_t size)) {
  static char text[1 << 24];
  int file = open("/proc/self/maps", O_RDONLY), count = 0;
  size_t size = 0;
  ssize_t got;
  while ((got = read(file, text + size, sizeof text - 1 - size)) > 0) size += got;
  close(file);
  text[size] = 0;
  check(got == 0 && size < sizeof text - 1);
  for (char *line = text; *line; line = strchr(line, '\n') + 1) {
    unsigned long start, end;
    char protection[8], name[4096] = "";
    sscanf(line, "%lx-%lx %7s %*s %*s %*s %4095[^\n]", &start, &end, protection, name);
    if (protection[2] == 'x' && name[0] == '/' && !strstr(name, "launcher")) count += act((char *)start, end - start) != 0;
  }
  return count;
}

static int drop(char *start, size_t size) { return madvise(start, size, MADV_DONTNEED); }
static int drop_pages(char *start, size_t size) {
  int bad = 0;
  for (size_t at = 0; at < size; at += 2 * PAGE) bad |= madvise(start + at, PAGE, MADV_DONTNEED);
  return bad;
}
static int make_writable(char *start, size_t size) { return mprotect(start, size, PROT_READ | PROT_WRITE | PROT_EXEC); }
static int make_executable(char *start, size_t size) { return mprotect(start, size, PROT_READ | PROT_EXEC); }
static int toggle_pages(char *start, size_t size) {
  int bad = 0;
  for (size_t at = 0; at < size; at += PAGE) bad |= make_writable(start + at, PAGE) | make_executable(start + at, PAGE);
  return bad;
}

CASE(own_text) {
  // The code that runs right now, and libc's.
  say("dropped: failed %d, works %d", for_each_text(drop), works());
  say("dropped by pages: failed %d, works %d", for_each_text(drop_pages), works());
  say("writable: failed %d, works %d", for_each_text(make_writable), works());
  say("executable: failed %d, works %d", for_each_text(make_executable), works());
  say("by pages: failed %d, works %d", for_each_text(toggle_pages), works());
}

CASE(moved) {
  int file = code_file("code", 4, read_link, sizeof read_link, PAGE + 200);
  unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  check(names_program(code + PAGE + 200));
  unsigned char *place = mmap(0, 8 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char *moved = mremap(code, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  check(moved == place);
  say("moved: names the program %d", names_program(moved + PAGE + 200));
  // One page of it only, and back.
  unsigned char *page = mremap(moved + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, place + 6 * PAGE);
  check(page == place + 6 * PAGE);
  say("a page: names the program %d", names_program(page + 200));
  check(mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, moved + PAGE) == moved + PAGE);
  say("back: names the program %d", names_program(moved + PAGE + 200));
  // Over code.
  unsigned char *other = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, code_file("other", 1, get_pid, sizeof get_pid, 200), 0);
  check_equal(call(other + 200, 0, 0, 0), getpid());
  check(mremap(moved + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
  say("over code: names the program %d", names_program(other + 200));
}

CASE(grown_and_shrunk) {
  int file = code_file("code", 4, read_link, sizeof read_link, 2 * PAGE + 200);
  unsigned char *code = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  code = mremap(code, PAGE, 4 * PAGE, MREMAP_MAYMOVE);
  check(code != MAP_FAILED);
  say("grown: names the program %d", names_program(code + 2 * PAGE + 200));
  check(mremap(code, 4 * PAGE, PAGE, 0) == code);
  check(mmap(code + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code + 2 * PAGE);
  memcpy(code + 2 * PAGE + 200, get_pid, sizeof get_pid);
  check(mprotect(code + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC) == 0);
  check_equal(call(code + 2 * PAGE + 200, 0, 0, 0), getpid());
  say("done");
}

// The function ends with its page; what is behind is patched with it.
static unsigned char *at_border(int first_page_is_last) {
  int file = code_file(first_page_is_last ? "one" : "two", 2, short_link, sizeof short_link, PAGE - sizeof short_link);
  unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  check(code != MAP_FAILED && names_program(code + PAGE - sizeof short_link));
  return code;
}

CASE(at_the_border) {
  const int at = PAGE - sizeof short_link;
  unsigned char *code = at_border(0);
  check(mprotect(code + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
  int nops = 0;
  for (int i = 0; i < PAGE; i++) nops += code[PAGE + i] == 0x90;
  say("writable behind: names the program %d, nops %d", names_program(code + at), nops);
  memset(code + PAGE, 0xcc, PAGE);
  say("changed behind: names the program %d", names_program(code + at));
  check(mprotect(code + PAGE, PAGE, PROT_READ | PROT_EXEC) == 0);
  say("executable behind: names the program %d", names_program(code + at));
  check(madvise(code + PAGE, PAGE, MADV_DONTNEED) == 0);
  say("dropped behind: names the program %d", names_program(code + at));
  check(munmap(code + PAGE, PAGE) == 0);
  say("nothing behind: names the program %d", names_program(code + at));
  code = at_border(1);
  check(mmap(code + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == code + PAGE);
  memset(code + PAGE, 0, PAGE);
  say("data behind: names the program %d", names_program(code + at));
  code = at_border(1);
  check(mprotect(code + PAGE, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  memset(code + PAGE, 0xf4, PAGE);
  say("all behind: names the program %d", names_program(code + at));
  check(mprotect(code + PAGE, PAGE, PROT_NONE) == 0);
  say("unreadable behind: names the program %d", names_program(code + at));
}

static unsigned char *shared_code;
static volatile int stop;

static void *run_code(void *argument) {
  long bad = 0;
  while (!stop) bad += !names_program(shared_code + 200);
  return (void *)bad;
}

static void with_threads(void (*act)(int)) {
  int file = code_file("code", 2, read_link, sizeof read_link, 200);
  shared_code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, run_code, 0);
  for (int i = 0; i < rounds(300); i++) act(i);
  stop = 1;
  long sum = 0;
  for (int i = 0; i < 3; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  say("bad %ld", sum);
}

static void drop_shared(int i) { check(madvise(shared_code, (1 + i % 2) * PAGE, MADV_DONTNEED) == 0); }
static void toggle_shared(int i) {
  check(mprotect(shared_code, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
  check(mprotect(shared_code, (1 + i % 2) * PAGE, PROT_READ | PROT_EXEC) == 0);
}

CASE(dropped_while_it_runs) { with_threads(drop_shared); }
CASE(toggled_while_it_runs) { with_threads(toggle_shared); }

CASE(after_fork) {
  int file = code_file("code", 2, read_link, sizeof read_link, 200);
  unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  for (int i = 0; i < 10; i++) {
    pid_t pid = fork();
    check(mprotect(code, PAGE, PROT_READ | PROT_WRITE) == 0);
    code[200 + 9] = pid ? 1 : 2;
    check(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
    int good = names_program(code + 200) && (eighth & 0xff) == (pid ? 1 : 2);
    if (pid == 0) _exit(good);
    int status;
    check(good && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1);
  }
  say("done");
}

CASE(reading_implies_executing) {
  const unsigned flag = 0x400000, query = 0xffffffff;
  check_equal(raw(SYS_personality, query, 0, 0, 0, 0, 0) & flag, 0);
  int file = code_file("code", 1, read_link, sizeof read_link, 64);
  check_equal(raw(SYS_personality, flag, 0, 0, 0, 0, 0) & flag, 0);
  check_equal(raw(SYS_personality, query, 0, 0, 0, 0, 0), flag);
  unsigned char *code = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
  say("a file: names the program %d", names_program(code + 64));
  unsigned char *memory = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(memory, get_pid, sizeof get_pid);
  check_equal(call(memory, 0, 0, 0), getpid());
  memcpy(memory, read_link, sizeof read_link);
  check(mprotect(memory, PAGE, PROT_READ) == 0);
  say("memory: names the program %d", names_program(memory));
  pid_t pid = fork();
  if (pid == 0) _exit(raw(SYS_personality, query, 0, 0, 0, 0, 0) == flag && names_program(code + 64));
  int status;
  check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1);
  check_equal(raw(SYS_personality, 0, 0, 0, 0, 0, 0), flag);
  code = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
  pid = fork();
  if (pid == 0) _exit(names_program(code + 64));
  wait_and_say(pid, "without");
}

CASE(without_memory) {
  // Address space for the code and nothing else.
  int file = code_file("code", 2, read_link, sizeof read_link, 200), status = open("/proc/self/statm", O_RDONLY);
  char text[64] = "";
  check(read(status, text, sizeof text - 1) > 0);
  struct rlimit old, limit;
  getrlimit(RLIMIT_AS, &old);
  limit = old;
  limit.rlim_cur = strtoul(text, 0, 10) * PAGE + 2 * PAGE;
  check(setrlimit(RLIMIT_AS, &limit) == 0);
  unsigned char *code = mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  check(code != MAP_FAILED);
  int good = names_program(code + 200);
  check(mmap(0, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED && errno == ENOMEM);
  check(setrlimit(RLIMIT_AS, &old) == 0);
  say("names the program %d, %d", good, names_program(code + 200));
}

CASE(no_new_executable_memory) {
  // PR_SET_MDWE: what is not executable never becomes so, and what is executable is mapped so.
  int file = code_file("code", 1, get_pid, sizeof get_pid, 200);
  if (prctl(65, 1, 0, 0, 0) != 0) return say("no PR_SET_MDWE");
  unsigned char *code = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  check(code != MAP_FAILED);
  check_equal(call(code + 200, 0, 0, 0), getpid());
  unsigned char *data = mmap(0, PAGE, PROT_READ, MAP_PRIVATE, file, 0);
  check(mprotect(data, PAGE, PROT_READ | PROT_EXEC) == -1 && errno == EACCES);
  check(mmap(0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EACCES);
  check(munmap(code, PAGE) == 0);
  say("done");
}
