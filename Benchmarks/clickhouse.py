"""The same events in ClickHouse (the Python package `chdb`), for the rows of the table that compare with it.

usage: clickhouse.py LINES DIRECTORY IDS   prints figures as JSON; ends with 3 if `chdb` is not installed
"""
import json
import sys
import time

try:
    from chdb import session
except ImportError:
    sys.exit(3)

COLUMNS = ("id UUID, stream String, revision UInt32, type String, created String, data String, metadata String")
# The order and the codec that suit look-ups by correlation; payloads stay text, as their owner wrote them.
TABLE = """
CREATE TABLE store.events (
  position UInt64, id UUID, stream String, revision UInt32, type LowCardinality(String), created DateTime64(7, 'UTC'),
  correlation String, cause String, metadata String, data String, INDEX by_id id TYPE bloom_filter GRANULARITY 1
) ENGINE = MergeTree ORDER BY (correlation, position) SETTINGS min_bytes_for_wide_part = 0"""
FILL = """
INSERT INTO store.events SELECT rowNumberInAllBlocks(), id, stream, revision, type, parseDateTime64BestEffort(created, 7),
  JSONExtractString(metadata, '$correlationId'), JSONExtractString(metadata, '$causationId'), metadata, data
FROM file('{lines}', 'JSONEachRow', '{columns}')
SETTINGS input_format_json_read_objects_as_strings = 1, max_threads = 1, max_insert_threads = 1"""


def quantiles(times):
    times.sort()
    return {"count": len(times), "p50Micros": times[len(times) // 2] * 1e6, "p99Micros": times[len(times) * 99 // 100] * 1e6}


def timed(database, template, values):
    times = []
    for passes in range(2):
        times = []
        for value in values:
            start = time.perf_counter()
            database.query(template.format(value), "Native")
            times.append(time.perf_counter() - start)
    return quantiles(times)


def main():
    lines, directory, ids = sys.argv[1:]
    database = session.Session(directory)
    database.query("CREATE DATABASE store")
    database.query(TABLE.replace("min_bytes", "default_compression_codec = 'ZSTD(1)', min_bytes"))
    started = time.process_time()
    database.query(FILL.format(lines=lines, columns=COLUMNS))
    database.query("OPTIMIZE TABLE store.events FINAL")
    cpu = time.process_time() - started
    rows = database.query(
        "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'store'", "JSONCompact")
    count, size = (int(value) for value in json.loads(str(rows))["data"][0])
    wanted = [line.rstrip("\n").split("\t") for line in open(ids)][:400]
    trace = "SELECT * FROM store.events WHERE correlation = '{}' ORDER BY position"
    event = "SELECT * FROM store.events WHERE id = '{}'"
    print(json.dumps({
        "events": count, "bytes": size / count, "cpuMicros": cpu / count * 1e6,
        "trace": timed(database, trace, [each[1] for each in wanted]),
        "event": timed(database, event, [each[0] for each in wanted]),
    }))


main()
