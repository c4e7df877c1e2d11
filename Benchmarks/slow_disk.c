// A slow disk, by LD_PRELOAD: every write to a file waits SLOW_MICROS. Makes a store that takes less than is sent.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static void wait_a_little(void) {
  static long micros = -1;
  if (micros < 0) {
    const char *text = getenv("SLOW_MICROS");
    micros = text ? atol(text) : 0;
  }
  if (micros > 0) usleep((useconds_t)micros);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t offset) {
  static ssize_t (*next)(int, const void *, size_t, off64_t);
  if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
  wait_a_little();
  return next(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t offset) {
  static ssize_t (*next)(int, const void *, size_t, off_t);
  if (!next) next = dlsym(RTLD_NEXT, "pwrite");
  wait_a_little();
  return next(file, bytes, count, offset);
}
