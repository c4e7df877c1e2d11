"""What Python's protobuf sees in recorded answers, by Clew's own schema: a line for each message.

Arguments: the folder of the generated module, then files; each file holds frames as in gRPC (one byte flag, four bytes
length, message). A file whose name ends in .groups, .projections, .members or .features holds answers of those services.
Bytes are shown by their length and CRC-32, absent values as "-".
"""
import re
import struct
import sys
import zlib

sys.path.insert(0, sys.argv[1])
import kurrentdb_pb2 as schema  # noqa: E402


def blob(data):
    return "%d:%08x" % (len(data), zlib.crc32(data))


def signed(value):
    return value & 0xFFFFFFFFFFFFFFFF


def identity(uuid):
    kind = uuid.WhichOneof("value")
    if kind == "structured":
        high = signed(uuid.structured.most_significant_bits)
        low = signed(uuid.structured.least_significant_bits)
        return "%016x%016x" % (high, low)
    if kind == "string":
        return uuid.string.replace("-", "").lower()
    return "-"


def record(event):
    return " ".join(
        [
            identity(event.id),
            blob(event.stream_identifier.stream_name),
            str(event.stream_revision),
            "%d/%d" % (event.commit_position, event.prepare_position),
            blob(event.metadata["type"].encode()) if "type" in event.metadata else "0:00000000",
            event.metadata["created"] if "created" in event.metadata else "-",
            "json" if event.metadata.get("content-type") == "application/json" else "bytes",
            blob(event.custom_metadata),
            blob(event.data),
        ]
    )


def moment(message):
    if not message.HasField("timestamp"):
        return "-"
    return str(message.timestamp.seconds * 1000000000 + message.timestamp.nanos)


def turn(message):
    revision = str(message.stream_revision) if message.HasField("stream_revision") else "-"
    place = "-"
    if message.HasField("position"):
        place = "%d/%d" % (message.position.commit_position, message.position.prepare_position)
    return "%s %s %s" % (place, moment(message), revision)


def line(message):
    response = schema.ReadResp()
    response.ParseFromString(message)
    kind = response.WhichOneof("content")
    if kind == "event":
        commit = str(response.event.commit_position) if response.event.HasField("commit_position") else "-"
        event = record(response.event.event) if response.event.HasField("event") else "-"
        link = record(response.event.link) if response.event.HasField("link") else "-"
        return "event %s [%s] [%s]" % (commit, event, link)
    if kind == "confirmation":
        return "confirmation " + response.confirmation.subscription_id
    if kind == "checkpoint":
        place = response.checkpoint
        return "checkpoint %d/%d %s" % (place.commit_position, place.prepare_position, moment(place))
    if kind == "caught_up":
        return "caughtUp " + turn(response.caught_up)
    if kind == "fell_behind":
        return "fellBehind " + turn(response.fell_behind)
    if kind == "stream_not_found":
        return "streamNotFound " + blob(response.stream_not_found.stream_identifier.stream_name)
    if kind == "first_stream_position":
        return "firstStreamPosition %d" % response.first_stream_position
    if kind == "last_stream_position":
        return "lastStreamPosition %d" % response.last_stream_position
    if kind == "last_all_stream_position":
        place = response.last_all_stream_position
        return "lastAllStreamPosition %d/%d" % (place.commit_position, place.prepare_position)
    return "unknown"


def place(text, stream=""):
    log = re.fullmatch(r"C:(\d+)/P:(\d+)", text)
    if log:
        return "%s/%s" % log.groups()
    return "%s@%s" % (stream, text) if stream and text.isdigit() else "-"


def groups(message):
    response = schema.ListResp()
    response.ParseFromString(message)
    for group in response.subscriptions:
        yield "group %s %s %s %d %d %d %s %s" % (
            blob(group.event_source.encode()), blob(group.group_name.encode()), blob(group.status.encode()),
            len(group.connections), group.parked_message_count, group.total_in_flight_messages,
            place(group.last_checkpointed_event_position, group.event_source),
            place(group.last_known_event_position, group.event_source))


def projections(message):
    response = schema.StatisticsResp()
    response.ParseFromString(message)
    details = response.details
    if details.mode != "Transient":
        yield "projection %s %s %s %s %s" % (
            blob(details.name.encode()), blob(details.status.encode()), blob(details.state_reason.encode()),
            place(details.position), place(details.last_checkpoint))


def members(message):
    response = schema.ClusterInfo()
    response.ParseFromString(message)
    for member in response.members:
        yield "member %s:%d %d %s" % (
            member.http_end_point.address, member.http_end_point.port, member.state, member.is_alive)


def features(message):
    response = schema.SupportedMethods()
    response.ParseFromString(message)
    yield "version " + response.event_store_server_version
    for method in response.methods:
        yield "method %s/%s" % (method.service_name, method.method_name)


services = {"groups": groups, "projections": projections, "members": members, "features": features}
for path in sys.argv[2:]:
    service = services.get(path.rpartition(".")[2])
    with open(path, "rb") as file:
        body = file.read()
    start = 0
    lines = []
    while start < len(body):
        length = struct.unpack(">I", body[start + 1 : start + 5])[0]
        message = body[start + 5 : start + 5 + length]
        lines += service(message) if service else [line(message)]
        start += 5 + length
    print("\n".join(lines))
