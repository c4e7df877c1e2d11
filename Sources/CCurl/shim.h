// libcurl; curl_easy_setopt and curl_easy_getinfo are variadic, so there is one wrapper for each argument type.
#pragma once
#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

typedef size_t (*clew_curl_write)(char *bytes, size_t size, size_t count, void *context);
typedef int (*clew_curl_progress)(
  void *context, curl_off_t total, curl_off_t now, curl_off_t upload_total, curl_off_t upload_now);

static inline CURLcode clew_curl_global_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }
static inline CURLcode clew_curl_set_long(CURL *curl, CURLoption option, long value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode clew_curl_set_size(CURL *curl, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode clew_curl_set_text(CURL *curl, CURLoption option, const char *value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode clew_curl_set_pointer(CURL *curl, CURLoption option, void *value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode clew_curl_set_list(CURL *curl, CURLoption option, struct curl_slist *value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode clew_curl_set_write(CURL *curl, CURLoption option, clew_curl_write value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode clew_curl_set_progress(CURL *curl, clew_curl_progress value) {
  return curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, value);
}
static inline CURLcode clew_curl_get_long(CURL *curl, CURLINFO info, long *value) {
  return curl_easy_getinfo(curl, info, value);
}

// How long sent bytes, keep-alive questions included, may stay without an answer before the system ends the connection.
static inline int clew_curl_socket_made(void *milliseconds, curl_socket_t socket, curlsocktype purpose) {
  unsigned int value = (unsigned int)(size_t)milliseconds;
  if (purpose == CURLSOCKTYPE_IPCXN) setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
  return CURL_SOCKOPT_OK;
}
static inline void clew_curl_set_user_timeout(CURL *curl, unsigned int milliseconds) {
  curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, clew_curl_socket_made);
  curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, (void *)(size_t)milliseconds);
}

// The result of a finished transfer of a multi handle; messages of other kinds do not exist.
static inline int clew_curl_multi_result(CURLM *multi, CURLcode *result) {
  int left = 0;
  CURLMsg *message = curl_multi_info_read(multi, &left);
  if (!message || message->msg != CURLMSG_DONE) return 0;
  *result = message->data.result;
  return 1;
}
