// libnghttp2, for the KurrentDB test server: HTTP/2 down to the single frame. The product does not link it.
#pragma once
#include <nghttp2/nghttp2.h>
