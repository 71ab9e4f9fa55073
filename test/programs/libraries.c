// dlopen at run time: each library is patched before it can run, whoever loads it and whenever.
// variants: dynamic fixed
#include "cases.h"
#include <dlfcn.h>
#include <pthread.h>

// Libraries that every Debian has; the transcript says which could be loaded, so both runs must agree.
static const char *const names[] = {"libm.so.6", "libz.so.1", "libpthread.so.0", "librt.so.1", "libresolv.so.2", "libutil.so.1", "libanl.so.1", "libnss_files.so.2", "libBrokenLocale.so.1", "libthread_db.so.1", "libgcc_s.so.1", "libstdc++.so.6", "libcrypt.so.1", "libblkid.so.1", "libmount.so.1", "libuuid.so.1", "libselinux.so.1", "libpcre2-8.so.0", "liblzma.so.5", "libbz2.so.1.0", "libzstd.so.1", "liblz4.so.1", "libgcrypt.so.20", "libssl.so.3", "libcrypto.so.3", "libcurl.so.4", "libsqlite3.so.0", "libexpat.so.1", "libncursesw.so.6", "libtinfo.so.6", "libreadline.so.8", "libperl.so.5.36", "libpython3.11.so.1.0"};
#define COUNT (sizeof names / sizeof *names)

CASE(open_many) {
  int loaded = 0;
  for (unsigned i = 0; i < COUNT; i++) {
    void *handle = dlopen(names[i], RTLD_NOW);
    say("%s %s", names[i], handle ? "loaded" : "missing");
    loaded += handle != 0;
  }
  check(loaded > 10);
}

CASE(open_close_often) {
  for (int i = 0; i < 20; i++) {
    void *handle = dlopen("libz.so.1", RTLD_NOW);
    if (!handle) return say("no libz");
    unsigned long (*crc)(unsigned long, const void *, unsigned) = (unsigned long (*)(unsigned long, const void *, unsigned))dlsym(handle, "crc32");
    check_equal(crc(0, "text", 4), 0x3b8ba7c7);
    check(dlclose(handle) == 0);
  }
  say("done");
}

static void *open_all(void *argument) {
  long loaded = 0;
  for (unsigned i = 0; i < COUNT; i++) loaded += dlopen(names[(i + (unsigned long)argument * 7) % COUNT], RTLD_LAZY) != 0;
  return (void *)loaded;
}

static volatile int stop;
static void *calls(void *argument) {
  long bad = 0, pid = getpid();
  while (!stop) bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid || getppid() <= 0;
  return (void *)bad;
}

CASE(open_in_threads) {
  pthread_t threads[4], busy;
  void *count[4], *bad;
  pthread_create(&busy, 0, calls, 0);
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, open_all, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], &count[i]);
  stop = 1;
  pthread_join(busy, &bad);
  say("all equal %d, bad %ld", count[0] == count[1] && count[1] == count[2] && count[2] == count[3], (long)bad);
}

CASE(different_libraries_after_fork) {
  // Parent and child load different libraries at once and call them: neither may see the other's patches.
  pid_t pids[4];
  static const char *const which[] = {"libcrypto.so.3", "libz.so.1", "libstdc++.so.6", "libsqlite3.so.0"};
  for (int i = 0; i < 4; i++) {
    pids[i] = fork();
    if (pids[i] == 0) {
      void *handle = dlopen(which[i], RTLD_NOW);
      void *zlib = dlopen("libz.so.1", RTLD_NOW);
      if (zlib) {
        unsigned long (*crc)(unsigned long, const void *, unsigned) = (unsigned long (*)(unsigned long, const void *, unsigned))dlsym(zlib, "crc32");
        if (crc(0, "text", 4) != 0x3b8ba7c7) _exit(2);
      }
      for (int n = 0; n < 100; n++) raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
      _exit(handle ? 0 : 1);
    }
  }
  say("parent: %d", dlopen("libm.so.6", RTLD_NOW) != 0);
  for (int i = 0; i < 4; i++) wait_and_say(pids[i], which[i]);
}

CASE(lookups) {
  void *handle = dlopen("libm.so.6", RTLD_NOW);
  double (*cosine)(double) = (double (*)(double))dlsym(handle, "cos");
  say("%.12f", cosine(1));
  Dl_info info;
  check(dladdr((void *)cosine, &info) != 0);
  say("%s", strrchr(info.dli_fname, '/') + 1);
  say("%s", dlopen("/no/such/library.so", RTLD_NOW) ? "loaded" : dlerror());
}
