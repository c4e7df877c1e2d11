// libcurl; curl_easy_setopt and curl_easy_getinfo are variadic, so there is one wrapper for each argument type.
#pragma once
#include <curl/curl.h>
