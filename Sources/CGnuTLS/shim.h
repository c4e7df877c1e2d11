// GnuTLS: only what verifying a client certificate needs.
#pragma once
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
