"""Writes to an event store and reads a persistent subscription with a real client; prints what it saw as JSON.

Arguments: the name of the client (kurrentdb or eventstoredb), and a connection string. Twelve events are appended, nine of
which are of the type A that the group wants; of those the second is parked, and the third asked for again.
"""
import json
import sys
import time

if sys.argv[1] == "kurrentdb":
    from kurrentdbclient import KurrentDBClient as Client, NewEvent, StreamState
else:
    from esdbclient import EventStoreDBClient as Client, NewEvent, StreamState

client = Client(sys.argv[2])
client.create_subscription_to_all("group", filter_include=("A.*",), from_end=False)
appended = 0
for number in range(6):
    client.append_to_stream(
        "stream-1", current_version=StreamState.ANY,
        events=[NewEvent(type="A" if number % 2 == 0 else "B", data=b"{}"), NewEvent(type="A", data=b"{}")])
    appended += 2
subscription = client.read_subscription_to_all("group")
seen = []
for event in subscription:
    seen.append([event.type, event.stream_position, event.retry_count])
    if len(seen) == 2:
        subscription.nack(event.id, "park")
    elif len(seen) == 3:
        subscription.nack(event.id, "retry")
    else:
        subscription.ack(event.id)
    if len(seen) == 10:
        break
# Acknowledgements are on their way.
deadline = time.monotonic() + 20
while True:
    info = client.list_subscriptions()[0]
    if info.total_in_flight_messages == 0 or time.monotonic() > deadline:
        break
subscription.stop()
print(json.dumps({
    "appended": appended, "seen": seen, "parked": info.parked_message_count, "inFlight": info.total_in_flight_messages,
    "group": info.group_name, "source": info.event_source}))
# While threads still run: left to the end of the interpreter, the library waits for a lock that nobody gives back.
client.close()
