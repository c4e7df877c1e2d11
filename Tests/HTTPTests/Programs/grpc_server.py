"""A gRPC server on Google's own library, for the tests of the client: prints its port, answers until it is killed.

Every method takes and gives bytes. /test.Test/… says what it does:
  Echo        the request
  Stream      N messages "0", "1", … (the request is N as text)
  Large       one message of N bytes
  Refuse      status 5 at once, with a text that needs encoding, and a trailer
  Break       three messages, then status 10
  Hang        one message, and nothing more
  Metadata    the request's metadata, a line each
  Chat        each message again, as it comes; "enough" ends the call, and so does the client's end
"""
import sys
import threading
from concurrent import futures

import grpc


def echo(request, context):
    return request


def stream(request, context):
    for number in range(int(request)):
        yield str(number).encode()


def large(request, context):
    yield b"x" * int(request)


def refuse(request, context):
    context.set_trailing_metadata((("exception", "not-leader"), ("leader-endpoint-port", "2113")))
    context.abort(grpc.StatusCode.NOT_FOUND, "Größe 100 % nicht gefunden\n")


def broken(request, context):
    for number in range(3):
        yield str(number).encode()
    context.abort(grpc.StatusCode.ABORTED, "Operation timed out: Consumer too slow")


def hang(request, context):
    ended = threading.Event()
    # False: the call has ended already, and nobody would ever be told.
    if context.add_callback(ended.set):
        yield b"only"
        ended.wait()


def metadata(request, context):
    return "\n".join(f"{key}: {value}" for key, value in context.invocation_metadata()).encode()


def chat(requests, context):
    for request in requests:
        if request == b"enough":
            context.abort(grpc.StatusCode.ABORTED, "enough")
        yield b"again " + request


def main():
    unary, streaming = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
    methods = {
        "Echo": unary(echo), "Metadata": unary(metadata), "Refuse": unary(refuse), "Stream": streaming(stream),
        "Large": streaming(large), "Break": streaming(broken), "Hang": streaming(hang),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    # Ends with the pipe of the test that started it.
    sys.stdin.read()


main()
