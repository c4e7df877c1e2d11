// libdeflate: whole-buffer DEFLATE and CRC-32.
#pragma once
#include <libdeflate.h>
