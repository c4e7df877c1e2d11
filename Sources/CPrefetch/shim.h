// What Swift has no word for: asking the processor for a cache line that is going to be read. Never faults, whatever the
// address, and takes no time where the line is there.
#pragma once

static inline __attribute__((always_inline)) void clew_prefetch(const void *_Nonnull address) {
  __builtin_prefetch(address);
}
