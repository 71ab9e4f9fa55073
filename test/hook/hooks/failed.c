// Says which system calls fail, as a hook in C:
//   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o failed.wasm failed.c

#define FLICKER(name) __attribute__((import_module("flicker"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

FLICKER("number") unsigned long long number(void);
FLICKER("result") long long result(void);
FLICKER("bytes") void log_bytes(const char *text, unsigned size);
FLICKER("unsigned") void log_unsigned(unsigned long long value);
FLICKER("end") void log_end(void);

#define LOG(text) log_bytes(text, sizeof text - 1)

EXPORT("afterCall") void after_call(void) {
  long long error = -result();
  if (error <= 0 || error > 4095) return;
  LOG("system call ");
  log_unsigned(number());
  LOG(" fails with errno ");
  log_unsigned(error);
  log_end();
}
