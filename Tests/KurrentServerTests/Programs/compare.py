"""Reads a KurrentDB with a Python client and compares what it sees with a recording.

compare.py kurrentdb|eventstoredb CONNECTION-STRING RECORDING CALL [subscribe]

The recording is decoded with the client's own generated classes. Prints one JSON object: how many events there are on
both sides, and the first difference.
"""
import base64
import glob
import gzip
import importlib
import json
import os
import sys
import threading


def decoder(package):
    """The generated class ReadResp of the package, wherever its version keeps it."""
    root = os.path.dirname(package.__file__)
    for path in sorted(glob.glob(root + "/**/streams_pb2.py", recursive=True)):
        name = package.__name__ + path[len(root):-3].replace("/", ".")
        module = importlib.import_module(name)
        if hasattr(module, "ReadResp"):
            return module.ReadResp
    raise SystemExit("no generated class ReadResp in " + root)


def identifier(uuid):
    if uuid.HasField("string"):
        return uuid.string
    high, low = (uuid.structured.most_significant_bits, uuid.structured.least_significant_bits)
    text = "%016x%016x" % (high & (2**64 - 1), low & (2**64 - 1))
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def recorded(response, path, number):
    opener = gzip.open if path.endswith(".gz") else open
    events = []
    with opener(path, "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry.get("call") != number or entry["kind"] != "received":
                continue
            message = response.FromString(base64.b64decode(entry["message"]))
            if message.WhichOneof("content") != "event":
                continue
            event = message.event.event
            events.append((
                identifier(event.id), event.stream_identifier.stream_name.decode(), event.stream_revision,
                event.commit_position, event.metadata["type"], event.data.hex(), event.custom_metadata.hex()))
    return events


def shape(event):
    return (str(event.id), event.stream_name, event.stream_position, event.commit_position, event.type,
            event.data.hex(), event.metadata.hex())


def main():
    kind, uri, path, number = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    if kind == "kurrentdb":
        import kurrentdbclient as package
        client = package.KurrentDBClient(uri)
    else:
        import esdbclient as package
        client = package.EventStoreDBClient(uri)
    expected = recorded(decoder(package), path, number)
    if len(sys.argv) > 5:
        # Nothing but the end of the subscription's catch-up says that all has come.
        subscription = client.subscribe_to_all(filter_exclude=(), include_caught_up=True)
        timer = threading.Timer(60, subscription.stop)
        timer.start()
        seen = []
        for event in subscription:
            if type(event).__name__ == "CaughtUp":
                break
            seen.append(shape(event))
        timer.cancel()
        subscription.stop()
    else:
        seen = [shape(event) for event in client.read_all(filter_exclude=())]
    first = next((i for i, pair in enumerate(zip(expected, seen)) if pair[0] != pair[1]), None)
    if first is None and len(expected) != len(seen):
        first = min(len(expected), len(seen))
    print(json.dumps({
        "expected": len(expected), "seen": len(seen), "firstDifference": first,
        "wanted": None if first is None or first >= len(expected) else expected[first][:5],
        "got": None if first is None or first >= len(seen) else seen[first][:5]}))
    client.close()


main()
