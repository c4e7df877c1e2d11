// The baseline, "plain SQLite": what a careful engineer would write without Clew (see README.md beside this file).
//
// usage: baseline FRAMES DATABASE IDS ANYWHERE
//
// Stores the frames of `clew-benchmarks workload` in one table with five indexes, in transactions of 1,000 events with
// the position of the last, then looks up the ids of IDS, and of ANYWHERE (event, correlation, stream; tab-separated),
// three times and prints figures of the last time as JSON.
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

enum { BATCH = 1000, HEADER = 52, LOOKUPS_MAX = 8000, PASSES = 3, KINDS = 3, NAME_MAX_BYTES = 256 };

static sqlite3 *database;

static void fail(const char *what) {
  fprintf(stderr, "baseline: %s: %s\n", what, database ? sqlite3_errmsg(database) : "");
  exit(2);
}

static void execute(const char *sql) {
  if (sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK) fail(sql);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *statement;
  if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK) fail(sql);
  return statement;
}

static double wall_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + now.tv_nsec * 1e-9;
}

static double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static void open_database(const char *path) {
  remove(path);
  if (sqlite3_open(path, &database) != SQLITE_OK) fail(path);
  execute("PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-524288;"
          "PRAGMA wal_autocheckpoint=100000; PRAGMA temp_store=MEMORY");
  execute("CREATE TABLE events(position INTEGER PRIMARY KEY, id BLOB, stream TEXT, revision INT, type TEXT, created INT,"
          " correlation TEXT, cause TEXT, metadata TEXT, data TEXT);"
          "CREATE TABLE checkpoint(id INTEGER PRIMARY KEY, position INT);"
          "CREATE INDEX by_correlation ON events(correlation); CREATE INDEX by_cause ON events(cause);"
          "CREATE INDEX by_id ON events(id); CREATE INDEX by_stream ON events(stream, revision);"
          "CREATE INDEX by_type ON events(type, created)");
}

// One frame as the workload writes it; everything little-endian.
struct frame {
  uint64_t position;
  int64_t created;
  uint32_t revision;
  uint16_t lengths[6];  // stream, type, correlation, cause, metadata, data
  const char *id;
  const char *texts;
};

static struct frame read_frame(const char *bytes) {
  struct frame frame;
  memcpy(&frame.position, bytes + 4, 8);
  memcpy(&frame.created, bytes + 12, 8);
  memcpy(&frame.revision, bytes + 20, 4);
  memcpy(frame.lengths, bytes + 24, 12);
  frame.id = bytes + 36;
  frame.texts = bytes + HEADER;
  return frame;
}

static void insert_frame(sqlite3_stmt *insert, const struct frame *frame) {
  static const int columns[6] = {3, 5, 7, 8, 9, 10};
  sqlite3_bind_int64(insert, 1, (sqlite3_int64)frame->position);
  sqlite3_bind_blob(insert, 2, frame->id, 16, SQLITE_STATIC);
  sqlite3_bind_int64(insert, 4, frame->revision);
  sqlite3_bind_int64(insert, 6, frame->created);
  const char *text = frame->texts;
  for (int part = 0; part < 6; part++) {
    sqlite3_bind_text(insert, columns[part], text, frame->lengths[part], SQLITE_STATIC);
    text += frame->lengths[part];
  }
  if (sqlite3_step(insert) != SQLITE_DONE) fail("insert");
  sqlite3_reset(insert);
}

static void commit(sqlite3_stmt *checkpoint, uint64_t position) {
  sqlite3_bind_int64(checkpoint, 1, (sqlite3_int64)position);
  if (sqlite3_step(checkpoint) != SQLITE_DONE) fail("checkpoint");
  sqlite3_reset(checkpoint);
  execute("COMMIT");
}

// The frames come through a buffer, so that any number fits; reading them costs next to nothing beside storing.
static long store(FILE *frames) {
  sqlite3_stmt *insert = prepare("INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?,?)");
  sqlite3_stmt *checkpoint = prepare("INSERT OR REPLACE INTO checkpoint VALUES(1,?)");
  char *bytes = malloc(1 << 20);
  long count = 0;
  uint32_t length;
  struct frame frame = {0};
  while (fread(&length, 4, 1, frames) == 1) {
    if (length > (1 << 20) - 4 || fread(bytes + 4, 1, length, frames) != length) fail("the frames are cut short");
    if (count % BATCH == 0) execute("BEGIN");
    frame = read_frame(bytes);
    insert_frame(insert, &frame);
    if (++count % BATCH == 0) commit(checkpoint, frame.position);
  }
  if (count % BATCH != 0) commit(checkpoint, frame.position);
  sqlite3_finalize(insert);
  sqlite3_finalize(checkpoint);
  free(bytes);
  return count;
}

struct lookup {
  unsigned char id[16];
  char correlation[NAME_MAX_BYTES];
  char stream[NAME_MAX_BYTES];
};

static int read_lookups(const char *path, struct lookup *lookups) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path);
  char id[40];
  int count = 0;
  while (count < LOOKUPS_MAX &&
         fscanf(file, "%39s\t%255s\t%255s\n", id, lookups[count].correlation, lookups[count].stream) == 3) {
    int digits = 0;
    for (const char *at = id; *at && digits < 32; at++) {
      if (*at == '-') continue;
      int value = *at <= '9' ? *at - '0' : *at - 'a' + 10;
      unsigned char *byte = &lookups[count].id[digits / 2];
      *byte = digits % 2 ? (unsigned char)(*byte | value) : (unsigned char)(value << 4);
      digits++;
    }
    count++;
  }
  fclose(file);
  return count;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// All columns of all rows, as an answer needs them.
static double time_lookup(sqlite3_stmt *statement, int kind, const struct lookup *lookup) {
  double start = wall_seconds();
  if (kind == 0) sqlite3_bind_text(statement, 1, lookup->correlation, -1, SQLITE_STATIC);
  if (kind == 1) sqlite3_bind_blob(statement, 1, lookup->id, 16, SQLITE_STATIC);
  if (kind == 2) sqlite3_bind_text(statement, 1, lookup->stream, -1, SQLITE_STATIC);
  int rows = 0;
  while (sqlite3_step(statement) == SQLITE_ROW) {
    for (int column = 0; column < 10; column++) sqlite3_column_blob(statement, column);
    rows++;
  }
  sqlite3_reset(statement);
  if (rows == 0) fail("a stored id was not found");
  return (wall_seconds() - start) * 1e6;
}

static void look_up(const char *path, const char *order) {
  static const char *names[KINDS] = {"trace", "event", "stream"};
  sqlite3_stmt *statements[KINDS] = {
      prepare("SELECT * FROM events WHERE correlation=? ORDER BY position"),
      prepare("SELECT * FROM events WHERE id=?"),
      prepare("SELECT * FROM events WHERE stream=? ORDER BY revision LIMIT 1000"),
  };
  struct lookup *lookups = malloc(sizeof(struct lookup) * LOOKUPS_MAX);
  double *times = malloc(sizeof(double) * LOOKUPS_MAX);
  int count = read_lookups(path, lookups);
  for (int kind = 0; kind < KINDS; kind++) {
    for (int pass = 0; pass < PASSES; pass++)
      for (int number = 0; number < count; number++)
        times[number] = time_lookup(statements[kind], kind, &lookups[number]);
    qsort(times, count, sizeof(double), ascending);
    printf(",\"%s%s\":{\"count\":%d,\"p50Micros\":%.1f,\"p99Micros\":%.1f}", names[kind], order, count, times[count / 2],
           times[count * 99 / 100]);
    sqlite3_finalize(statements[kind]);
  }
  free(lookups);
  free(times);
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: baseline FRAMES DATABASE IDS ANYWHERE\n");
    return 2;
  }
  FILE *frames = fopen(arguments[1], "rb");
  if (!frames) fail(arguments[1]);
  setvbuf(frames, NULL, _IOFBF, 1 << 20);
  open_database(arguments[2]);
  double wall = wall_seconds(), cpu = cpu_seconds();
  long events = store(frames);
  wall = wall_seconds() - wall;
  // Bringing the WAL in belongs to storing: Clew's figures contain their sealing.
  execute("PRAGMA wal_checkpoint(TRUNCATE)");
  cpu = cpu_seconds() - cpu;
  struct stat status;
  if (stat(arguments[2], &status) != 0) fail(arguments[2]);
  printf("{\"events\":%ld,\"cpuMicros\":%.2f,\"perSecond\":%.0f,\"bytes\":%.1f", events, cpu / events * 1e6,
         events / wall, (double)status.st_size / events);
  look_up(arguments[3], "");
  look_up(arguments[4], "Anywhere");
  printf("}\n");
  sqlite3_close(database);
  return 0;
}
