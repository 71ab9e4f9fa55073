// The executable segments of the program, its libraries and the vDSO, as the program headers give them. A handler must
// never see a program counter outside them: not in a trampoline, not in a gate.
#pragma once
#include <link.h>
#include <stdint.h>

static struct { uintptr_t start, end; } code_ranges[256];
static int code_range_count;

static int add_code_ranges(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size, (void)data;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    if (header->p_type != PT_LOAD || !(header->p_flags & PF_X) || code_range_count == 256) continue;
    code_ranges[code_range_count].start = info->dlpi_addr + header->p_vaddr;
    code_ranges[code_range_count++].end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
  }
  return 0;
}

__attribute__((unused)) static void find_code_ranges(void) { dl_iterate_phdr(add_code_ranges, 0); }

__attribute__((unused)) static int is_program_code(uintptr_t address) {
  for (int i = 0; i < code_range_count; i++)
    if (address >= code_ranges[i].start && address < code_ranges[i].end) return 1;
  // The vsyscall page has no object.
  return address >= 0xffffffffff600000 && address < 0xffffffffff601000;
}
