// libmicrohttpd; MHD_start_daemon is variadic and is wrapped here.
#pragma once
#include <sys/types.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <microhttpd.h>
