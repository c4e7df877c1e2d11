// SQLite's C interface, and wrappers for what Swift cannot import (variadic functions, cast macros).
#pragma once
#include <sqlite3.h>

static inline sqlite3_destructor_type clew_sqlite_transient(void) { return SQLITE_TRANSIENT; }
static inline int clew_sqlite_db_config_int(sqlite3 *db, int option, int value) {
  int result = 0;
  return sqlite3_db_config(db, option, value, &result);
}
