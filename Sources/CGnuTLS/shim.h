// GnuTLS: what verifying a client certificate, checking a server's files and comparing secrets need.
#pragma once
#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

// Why this session's peer is not to be trusted: 0 it is, 1 no certificate, 2 a certificate that is not valid.
static inline int clew_tls_peer_problem(void *session) {
  unsigned int count = 0, status = 0;
  if (gnutls_certificate_get_peers((gnutls_session_t)session, &count) == NULL || count == 0) return 1;
  if (gnutls_certificate_verify_peers2((gnutls_session_t)session, &status) != 0 || status != 0) return 2;
  return 0;
}

static inline long clew_tls_send(void *session, const void *bytes, size_t count) {
  return (long)gnutls_record_send((gnutls_session_t)session, bytes, count);
}

// Tells the peer that nothing more comes.
static inline void clew_tls_end(void *session) { gnutls_bye((gnutls_session_t)session, GNUTLS_SHUT_WR); }

// 0, or GnuTLS's code: 1 in *which says it was about the certificate and key, 2 about the client CA.
static inline int clew_tls_check_files(
  const char *certificate, unsigned int certificate_size, const char *key, unsigned int key_size, const char *ca,
  unsigned int ca_size, int *which) {
  gnutls_certificate_credentials_t credentials;
  *which = 1;
  int code = gnutls_certificate_allocate_credentials(&credentials);
  if (code < 0) return code;
  gnutls_datum_t cert_datum = {(unsigned char *)certificate, certificate_size};
  gnutls_datum_t key_datum = {(unsigned char *)key, key_size};
  code = gnutls_certificate_set_x509_key_mem(credentials, &cert_datum, &key_datum, GNUTLS_X509_FMT_PEM);
  if (code >= 0 && ca != NULL) {
    gnutls_datum_t ca_datum = {(unsigned char *)ca, ca_size};
    *which = 2;
    code = gnutls_certificate_set_x509_trust_mem(credentials, &ca_datum, GNUTLS_X509_FMT_PEM);
    if (code == 0) code = GNUTLS_E_NO_CERTIFICATE_FOUND;
  }
  gnutls_certificate_free_credentials(credentials);
  return code < 0 ? code : 0;
}

// SHA-256, 32 bytes; 0 or GnuTLS's code.
static inline int clew_sha256(const void *bytes, size_t count, void *digest) {
  return gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, count, digest);
}
