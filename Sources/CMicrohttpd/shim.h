// libmicrohttpd; MHD_start_daemon is variadic and is wrapped here.
#pragma once
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <stdarg.h>
#include <stdio.h>
#include <microhttpd.h>

// Everything a daemon of ours is started with. Strings end with a zero byte; NULL where there is no TLS.
struct clew_mhd_settings {
  int listen_socket;
  unsigned int connection_limit;
  size_t connection_memory;
  size_t thread_stack;
  const char *tls_key;
  const char *tls_certificate;
  const char *tls_client_ca;
  const char *tls_priorities;
  void *context;
  MHD_AccessHandlerCallback handle;
  MHD_RequestCompletedCallback completed;
  MHD_NotifyConnectionCallback connection_changed;
  void *(*request_line)(void *context, const char *target, struct MHD_Connection *connection);
  size_t (*unescape)(void *context, struct MHD_Connection *connection, char *text);
  MHD_LogCallback log;
};

// One thread for each connection, poll, and no time-out of the library's own (the watchdog has better ones).
static inline struct MHD_Daemon *clew_mhd_start(const struct clew_mhd_settings *s) {
  unsigned int flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC
    | MHD_USE_ERROR_LOG;
  struct MHD_OptionItem items[16];
  int n = 0;
  if (s->tls_key != NULL) {
    flags |= MHD_USE_TLS;
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)s->tls_key};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)s->tls_certificate};
    items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)s->tls_priorities};
    if (s->tls_client_ca != NULL)
      items[n++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, (void *)s->tls_client_ca};
  }
  items[n++] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
  return MHD_start_daemon(
    flags, 0, NULL, NULL, s->handle, s->context,
    MHD_OPTION_EXTERNAL_LOGGER, s->log, s->context,  // first, or earlier options complain to standard error
    MHD_OPTION_LISTEN_SOCKET, (MHD_socket)s->listen_socket,
    MHD_OPTION_CONNECTION_LIMIT, s->connection_limit,
    MHD_OPTION_CONNECTION_MEMORY_LIMIT, s->connection_memory,
    MHD_OPTION_CONNECTION_TIMEOUT, 0u,
    MHD_OPTION_THREAD_STACK_SIZE, s->thread_stack,
    MHD_OPTION_NOTIFY_COMPLETED, s->completed, s->context,
    MHD_OPTION_NOTIFY_CONNECTION, s->connection_changed, s->context,
    MHD_OPTION_URI_LOG_CALLBACK, s->request_line, s->context,
    MHD_OPTION_UNESCAPE_CALLBACK, s->unescape, s->context,
    MHD_OPTION_ARRAY, items,
    MHD_OPTION_END);
}

// The information functions are variadic and give unions.
static inline void *clew_mhd_socket_context(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}
static inline int clew_mhd_socket(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : (int)info->connect_fd;
}
static inline void *clew_mhd_tls_session(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info == NULL ? NULL : (void *)info->tls_session;
}

static inline int clew_mhd_is_start(enum MHD_ConnectionNotificationCode change) {
  return change == MHD_CONNECTION_NOTIFY_STARTED;
}

// One line of the library's log, at most `size` bytes with the zero at the end.
static inline void clew_mhd_format(char *into, size_t size, const char *format, va_list arguments) {
  vsnprintf(into, size, format, arguments);
}

// Unknown length: chunked.
static inline struct MHD_Response *clew_mhd_stream(
  uint64_t size, size_t block, MHD_ContentReaderCallback read, void *context, MHD_ContentReaderFreeCallback release) {
  return MHD_create_response_from_callback(size, block, read, context, release);
}
static inline uint64_t clew_mhd_size_unknown(void) { return MHD_SIZE_UNKNOWN; }
static inline struct MHD_Response *clew_mhd_bytes(const void *bytes, size_t count) {
  return MHD_create_response_from_buffer(count, (void *)bytes, MHD_RESPMEM_MUST_COPY);
}
