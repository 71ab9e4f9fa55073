// Prints the nanoseconds that one system call takes: bare-call COUNT. Natively, or under what runs it.
#include "timed-calls.h"

int main(int argc, char **argv) {
  printf("%.3f\n", time_calls(count_of(argc, argv), native_call));
  return 0;
}
