// The allocator of glibc: what it may keep, and giving back what is free.
#pragma once
#include <malloc.h>
