// What the targets about execve share: files to execute, and a child that executes one and says what became of it.
#pragma once
#include "cases.h"
#include <sys/stat.h>

extern char **environ;

__attribute__((unused)) static void write_file(const char *name, const char *text, mode_t mode) {
  int file = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  check(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text));
  close(file);
  chmod(name, mode);
}

__attribute__((unused)) static void copy_into(const char *from, int out) {
  int in = open(from, O_RDONLY | O_CLOEXEC);
  char buffer[65536];
  ssize_t size;
  while ((size = read(in, buffer, sizeof buffer)) > 0) check(write(out, buffer, (size_t)size) == size);
  close(in);
}

__attribute__((unused)) static void copy_program(const char *from, const char *name) {
  int out = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0700);
  copy_into(from, out);
  close(out);
}

// Runs the exec in a child; an exec that fails says its errno.
#define try(what, expression)                        \
  do {                                               \
    pid_t pid_ = fork();                             \
    if (pid_ == 0) {                                 \
      errno = 0;                                     \
      long result_ = (expression);                   \
      if (errno == 0) errno = (int)-result_;         \
      say("%s: errno %d", what, errno);              \
      _exit(100);                                    \
    }                                                \
    wait_and_say(pid_, what);                        \
  } while (0)

__attribute__((unused)) static char *echo[] = {"echo", "hello", "from", "echo", 0};
__attribute__((unused)) static char *show[] = {"shown-name", "show_arguments", "three", 0};
