"""An event store on Google's own gRPC library, for the tests of the source: prints its port, serves until it is killed.

Arguments: the folder of the module that protoc made of kurrentdb.proto, and a file of frames (one byte flag, four bytes
length, message) whose events are the log. Commands on standard input, a line each:
  show N            the first N events are the log now (subscriptions get the new ones)
  fail CODE TEXT    the next subscription ends after its first 20 events, with this status
  drop              all subscriptions end now, as UNAVAILABLE
  leader HOST PORT  whoever demands a leader is sent there; "leader" alone: nobody is
  mute              subscriptions send nothing any more, and stay open; "speak": they go on
  quiet             no caught-up messages, as before 23.10
"""
import re
import struct
import sys
import threading
from concurrent import futures

import grpc

sys.path.insert(0, sys.argv[1])
import kurrentdb_pb2 as schema  # noqa: E402

USER = "Basic cmVhZGVyOnNlY3JldA=="  # reader:secret


class Log:
    def __init__(self, events):
        self.all = events
        self.shown = len(events)
        self.changed = threading.Condition()
        self.generation = 0
        self.failure = None
        self.leader = None
        self.is_mute = False
        self.says_caught_up = True

    def command(self, line):
        words = line.split(" ", 2)
        with self.changed:
            if words[0] == "show":
                self.shown = int(words[1])
            elif words[0] == "fail":
                self.failure = (int(words[1]), words[2])
            elif words[0] == "drop":
                self.generation += 1
            elif words[0] == "leader":
                self.leader = (words[1], words[2]) if len(words) > 2 else None
            elif words[0] in ("mute", "speak"):
                self.is_mute = words[0] == "mute"
            elif words[0] == "quiet":
                self.says_caught_up = False
            self.changed.notify_all()


def load(path):
    with open(path, "rb") as file:
        body = file.read()
    start = 0
    events = []
    while start < len(body):
        length = struct.unpack(">I", body[start + 1 : start + 5])[0]
        message = body[start + 5 : start + 5 + length]
        response = schema.ReadResp()
        response.ParseFromString(message)
        if response.WhichOneof("content") == "event":
            events.append((response.event.commit_position, message))
        start += 5 + length
    return events


log = Log(load(sys.argv[2]))


def type_of(message):
    return schema.ReadResp.FromString(message).event.event.metadata["type"]


def status(code):
    return next(value for value in grpc.StatusCode if value.value[0] == code)


def read(request, context):
    metadata = dict(context.invocation_metadata())
    if "authorization" in metadata and metadata["authorization"] != USER:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
    if "authorization" not in metadata and "--secured" in sys.argv:
        context.set_trailing_metadata((("exception", "access-denied"),))
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "Access Denied")
    leader = log.leader
    if leader and metadata.get("requires-leader") == "true":
        trailers = (("exception", "not-leader"), ("leader-endpoint-host", leader[0]), ("leader-endpoint-port", leader[1]))
        context.set_trailing_metadata(trailers)
        context.abort(grpc.StatusCode.NOT_FOUND, "Leader info available")
    options = schema.ReadReq.FromString(request).options
    if options.WhichOneof("filter_option") is None or options.WhichOneof("count_option") is None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The combination is invalid.")
    if options.uuid_option.WhichOneof("content") is None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "'uuidOption' is a required argument")
    place = options.all.position.commit_position if options.all.WhichOneof("all_option") == "position" else -1
    if options.WhichOneof("count_option") == "subscription":
        yield from subscribe(place, context)
    elif options.read_direction == schema.ReadReq.BACKWARDS:
        pattern = re.compile(options.filter.event_type.regex)
        found = [message for _, message in reversed(log.all[: log.shown]) if pattern.match(type_of(message))]
        yield from found[: options.count]
    else:
        found = [message for position, message in log.all[: log.shown] if position >= place]
        yield from found[: options.count]


def subscribe(place, context):
    confirmation = schema.ReadResp()
    confirmation.confirmation.subscription_id = "00000000-0000-0000-0000-000000000001"
    yield confirmation.SerializeToString()
    generation = log.generation
    failure, log.failure = log.failure, None
    next_event = 0
    sent = 0
    was_caught_up = False
    while context.is_active():
        while next_event < log.shown and not log.is_mute:
            position, message = log.all[next_event]
            next_event += 1
            if position <= place:
                continue
            yield message
            sent += 1
            if failure and sent >= 20:
                context.abort(status(failure[0]), failure[1])
        if log.generation != generation:
            context.abort(grpc.StatusCode.UNAVAILABLE, "Server Is Not Ready")
        if not was_caught_up and log.says_caught_up and not log.is_mute:
            was_caught_up = True
            caught_up = schema.ReadResp()
            caught_up.caught_up.SetInParent()
            yield caught_up.SerializeToString()
        with log.changed:
            if next_event >= log.shown or log.is_mute:
                log.changed.wait(0.05)


def gossip(request, context):
    info = schema.ClusterInfo()
    member = info.members.add(state=schema.MemberInfo.LEADER, is_alive=True)
    member.http_end_point.address = "127.0.0.1"
    member.http_end_point.port = port
    dead = info.members.add(state=schema.MemberInfo.FOLLOWER, is_alive=False)
    dead.http_end_point.address = "127.0.0.1"
    dead.http_end_point.port = 1
    return info.SerializeToString()


def features(request, context):
    found = schema.SupportedMethods(event_store_server_version="24.10.14")
    found.methods.add(method_name="read", service_name="event_store.client.streams.streams")
    return found.SerializeToString()


class Service(grpc.GenericRpcHandler):
    def service(self, details):
        if details.method == "/event_store.client.streams.Streams/Read":
            return grpc.unary_stream_rpc_method_handler(read)
        if details.method == "/event_store.client.gossip.Gossip/Read":
            return grpc.unary_unary_rpc_method_handler(gossip)
        if details.method == "/event_store.client.server_features.ServerFeatures/GetSupportedMethods":
            return grpc.unary_unary_rpc_method_handler(features)
        return None


server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=16), options=[("grpc.so_reuseport", 0)], handlers=(Service(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
for line in sys.stdin:
    log.command(line.strip())
    print("done", flush=True)
server.stop(0)
