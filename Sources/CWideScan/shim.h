// What Swift has no word for: a bit for each of many bytes that were compared at once. Clang's vectors, which become a
// handful of instructions: SSE2 is enough on x86-64. Every function reads exactly as many bytes (or words) as its name
// says, and the lowest bit is that of the first one.
#pragma once
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the first element of a vector of bits is the lowest bit on little-endian processors only"
#endif

typedef signed char clew_bytes16 __attribute__((ext_vector_type(16)));
typedef signed char clew_bytes32 __attribute__((ext_vector_type(32)));
typedef signed char clew_bytes64 __attribute__((ext_vector_type(64)));
typedef _Bool clew_bits16 __attribute__((ext_vector_type(16)));
typedef _Bool clew_bits32 __attribute__((ext_vector_type(32)));
typedef _Bool clew_bits64 __attribute__((ext_vector_type(64)));

#define CLEW_SCAN static inline __attribute__((always_inline))
#define CLEW_BITS(width, comparison) \
  __builtin_bit_cast(uint##width##_t, __builtin_convertvector(comparison, clew_bits##width))

// A quote, a backslash, a control character, or a byte of a character that is not ASCII (negative, as all bytes are signed).
#define CLEW_SPECIAL(bytes) ((bytes == 0x22) | (bytes == 0x5c) | (bytes < 0x20))

CLEW_SCAN uint64_t clew_special_in_string_64(const void *_Nonnull start) {
  clew_bytes64 bytes;
  __builtin_memcpy(&bytes, start, 64);
  return CLEW_BITS(64, CLEW_SPECIAL(bytes));
}

CLEW_SCAN uint32_t clew_special_in_string_32(const void *_Nonnull start) {
  clew_bytes32 bytes;
  __builtin_memcpy(&bytes, start, 32);
  return CLEW_BITS(32, CLEW_SPECIAL(bytes));
}

// A quote or a backslash.
CLEW_SCAN uint64_t clew_quote_or_backslash_64(const void *_Nonnull start) {
  clew_bytes64 bytes;
  __builtin_memcpy(&bytes, start, 64);
  return CLEW_BITS(64, (bytes == 0x22) | (bytes == 0x5c));
}

// What ends a number or a literal: a comma, a colon, a brace, a bracket, a quote, white space.
CLEW_SCAN uint16_t clew_end_of_plain_16(const void *_Nonnull start) {
  clew_bytes16 bytes;
  __builtin_memcpy(&bytes, start, 16);
  clew_bytes16 lower = bytes | 0x20;
  return CLEW_BITS(
    16, (bytes == 0x2c) | (bytes == 0x3a) | (lower == 0x7b) | (lower == 0x7d) | (bytes == 0x22) | (bytes == 0x20)
      | (bytes == 0x09) | (bytes == 0x0a) | (bytes == 0x0d));
}

CLEW_SCAN uint16_t clew_no_digit_16(const void *_Nonnull start) {
  clew_bytes16 bytes;
  __builtin_memcpy(&bytes, start, 16);
  return CLEW_BITS(16, (bytes < 0x30) | (bytes > 0x39));
}

CLEW_SCAN uint32_t clew_blank_32(const void *_Nonnull start) {
  clew_bytes32 bytes;
  __builtin_memcpy(&bytes, start, 32);
  return CLEW_BITS(32, bytes == 0x20);
}

// Where two ranges differ.
CLEW_SCAN uint32_t clew_difference_32(const void *_Nonnull one, const void *_Nonnull other) {
  clew_bytes32 first, second;
  __builtin_memcpy(&first, one, 32);
  __builtin_memcpy(&second, other, 32);
  return CLEW_BITS(32, first != second);
}

CLEW_SCAN void clew_copy_32(void *_Nonnull to, const void *_Nonnull from) { __builtin_memcpy(to, from, 32); }

typedef uint32_t clew_words16 __attribute__((ext_vector_type(16)));

// Of 16 words of 32 bits: in the low half of the result those that have `tag` under `mask`, in the high half those whose
// bits are all set.
CLEW_SCAN uint32_t clew_tags_16(const void *_Nonnull start, uint32_t mask, uint32_t tag) {
  clew_words16 words;
  __builtin_memcpy(&words, start, 64);
  return CLEW_BITS(16, (words & mask) == tag) | (uint32_t)CLEW_BITS(16, words == ~0u) << 16;
}
