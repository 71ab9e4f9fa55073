// A process that executes itself COUNT times: exec-chain COUNT. What is left is execve and the start of a small program.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
  long count = argc > 1 ? atol(argv[1]) : 0;
  if (count <= 0) return 0;
  char number[24];
  snprintf(number, sizeof number, "%ld", count - 1);
  execv(argv[0], (char *[]){argv[0], number, NULL});
  perror("exec-chain");
  return 1;
}
