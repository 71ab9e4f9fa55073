// LLVM as a disassembler, for decode-llvm.test.ts: llvm-lengths LIBRARY < slots > lengths
//
// Reads slots of 16 bytes and writes one byte for each: the length of the instruction that the first 15 begin with, 0 when
// LLVM does not know one. The library is loaded by name because its C interface (llvm-c/Disassembler.h) is the same in
// every version, and a header package of each is more than a test should ask for.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT = 16, INSTRUCTION_MAX = 15 };

static void *library;

static void *symbol(const char *name) {
  void *address = dlsym(library, name);
  if (address) return address;
  fprintf(stderr, "llvm-lengths: %s\n", dlerror());
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    fprintf(stderr, "llvm-lengths: %s\n", dlerror());
    return 1;
  }
  ((void (*)(void))symbol("LLVMInitializeX86TargetInfo"))();
  ((void (*)(void))symbol("LLVMInitializeX86Target"))();
  ((void (*)(void))symbol("LLVMInitializeX86TargetMC"))();
  ((void (*)(void))symbol("LLVMInitializeX86Disassembler"))();
  void *(*create)(const char *, void *, int, void *, void *) = symbol("LLVMCreateDisasm");
  size_t (*decode)(void *, uint8_t *, uint64_t, uint64_t, char *, size_t) = symbol("LLVMDisasmInstruction");
  void *disassembler = create("x86_64-linux-gnu", NULL, 0, NULL, NULL);
  if (!disassembler) {
    fprintf(stderr, "llvm-lengths: no disassembler for x86_64\n");
    return 1;
  }
  uint8_t slot[SLOT];
  char text[256];
  while (fread(slot, SLOT, 1, stdin) == 1) {
    size_t length = decode(disassembler, slot, INSTRUCTION_MAX, 0, text, sizeof text);
    if (getenv("FLICKER_LLVM_TEXT")) fprintf(stderr, "%zu%s\n", length, text);
    putchar((int)length);
  }
  return 0;
}
