"""What `run` and `growth` measure with: processes and their CPU time, the workload, Clew's answers."""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WORK = os.path.join(ROOT, "bench-data")
BUILD = os.path.join(WORK, "build")
CLEW = os.path.join(BUILD, "release", "clew")
TOOL = os.path.join(BUILD, "release", "clew-benchmarks")


def run(command, cwd=WORK, allowed=(0,), **options):
    """Runs a command to its end; returns its output and the CPU, wall seconds and peak memory it took."""
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    out, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in allowed:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{out[-2000:]}\n{errors[-2000:]}")
    return {
        "code": process.returncode,
        "out": out,
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": time.monotonic() - started,
        "peakMiB": usage.ru_maxrss / 1024,
    }


def answer(command, **options):
    """The JSON that a command prints."""
    return json.loads(run(command, **options)["out"])


def build_product(name):
    """With the flags of `make build`."""
    return run(
        ["swift", "build", "-c", "release", "--product", name, "--static-swift-stdlib", "-debug-info-format", "none",
         "--explicit-target-dependency-import-check", "error", "--scratch-path", BUILD], cwd=ROOT)


def build():
    """A clean release build of the product, and then of the tools; returns what the first took."""
    shutil.rmtree(BUILD, ignore_errors=True)
    product = build_product("clew")
    build_product("clew-benchmarks")
    run(["cc", "-O2", "-o", f"{WORK}/baseline", f"{ROOT}/Benchmarks/baseline.c", "-lsqlite3"])
    run(["strip", "-o", f"{WORK}/stripped", CLEW])
    return {"wall": product["wall"], "cpu": product["cpu"], "bytes": os.path.getsize(f"{WORK}/stripped")}


def make_workload(count, seed, frames="ev.bin"):
    run([TOOL, "workload", str(count), seed, "ev.ndjson", frames])


IDENTIFIERS = re.compile(rb'^\{"id":"([^"]+)","stream":"([^"]+)".*"\$correlationId":"([^"]+)"')


def some_ids(lines, every):
    """Id, trace and stream of every so-manieth event, so that large traces are asked for more often, as they are in life."""
    chosen = []
    with open(f"{WORK}/{lines}", "rb") as file:
        for number, line in enumerate(file):
            # A multiplicative hash, so that the sample follows no rhythm of the workload.
            if (number * 2654435761 & 0xFFFFFFFF) >> 8 & 0xFFFF < 65536 // every:
                found = IDENTIFIERS.match(line)
                chosen.append("\t".join(found[part].decode() for part in (1, 3, 2)))
    return chosen


# In the order of storing, as the baseline is asked; and in no order: who asks next, asks for something from elsewhere.
IN_ORDER, ANYWHERE = "ids.txt", "anywhere.txt"


def write_ids(chosen, wanted=4000):
    shuffled = random.Random(1).sample(chosen, min(wanted, len(chosen)))
    for name, ids in ((IN_ORDER, chosen[:wanted]), (ANYWHERE, shuffled)):
        with open(f"{WORK}/{name}", "w") as file:
            file.write("\n".join(ids) + "\n")


def clew_import(path, count, directory="data", environment=None):
    result = run(
        [CLEW, "import", path, "--data", directory, "--json", "--seal"], env={**os.environ, **(environment or {})})
    counts = json.loads(result["out"])
    if counts["accepted"] != count:
        sys.exit(f"import accepted {counts['accepted']} of {count} events: {result['out'][:500]}")
    return result


def stats(directory="data"):
    return answer([CLEW, "stats", "--json", "--data", directory])


def look_ups(ids, kind=None, directory="data"):
    """Of traces, events and streams, or of one of them."""
    return answer([TOOL, "store", ids, directory] + ([kind] if kind else []))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`clew serve` on a directory; `ready` is the time until /readyz answered 200."""

    def __init__(self, directory="data", environment=None, arguments=()):
        self.port = free_port()
        started = time.monotonic()
        self.log = f"{WORK}/serve.log"
        self.process = subprocess.Popen(
            [CLEW, "serve", "--data", directory, "--listen", f"127.0.0.1:{self.port}", *arguments], cwd=WORK,
            stdout=subprocess.DEVNULL, stderr=open(self.log, "w"), env={**os.environ, **(environment or {})})
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() - started > 120:
                sys.exit("the server did not get ready: " + open(self.log).read()[-2000:])
            time.sleep(0.005)
        self.ready = time.monotonic() - started

    def is_ready(self):
        try:
            return self.get("/readyz") is not None
        except (OSError, urllib.error.URLError):
            return False

    def get(self, path, headers=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers or {})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.read()

    def post(self, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data=body, headers={"Content-Type": "application/x-ndjson"})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())

    def resident(self):
        """MiB."""
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024

    def traces_by(self, clients, ids=ANYWHERE):
        return answer([TOOL, "http", ids, str(self.port), str(clients)])

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


# A hot file of 500,000 is full: it would be sealed at once, beside the look-ups, and not be hot any more.
HOT = 499_000


def serve_with_hot(count):
    """Look-ups through a server, with so many events that are not sealed yet, after it was killed."""
    make_workload(count, "77", "-")
    os.rename(f"{WORK}/ev.ndjson", f"{WORK}/hot.ndjson")
    appended = answer([TOOL, "append", "hot.ndjson", "data"])
    first = Server()
    first.kill()
    server = Server()
    figures = {"ready": server.ready, "hot": count, "rssStart": server.resident(), "append": appended}
    figures["http"] = {clients: server.traces_by(clients) for clients in (1, 32)}
    figures["rss"] = server.resident()
    server.stop()
    return figures


def scrape_with_handlers(handlers=2_000):
    """Seconds of one scrape when so many handlers have reacted, and its bytes."""
    shutil.rmtree(f"{WORK}/handlers", ignore_errors=True)
    server = Server("handlers", {"CLEW_LIVE_WINDOW": "all"})
    lines = []
    for number in range(handlers):
        ids = (f"c{number}", f"e{number}")
        for name, cause in ((ids[0], ""), (ids[1], ids[0])):
            metadata = {"$correlationId": f"t{number}", "handler": f"Handler{number}", "service": f"s{number % 20}"}
            if cause:
                metadata["$causationId"] = cause
            lines.append(json.dumps({
                "id": name, "stream": f"s-{number}", "type": "Done", "created": f"2026-01-01T00:00:0{len(cause) % 9}Z",
                "data": {}, "metadata": metadata}))
    server.post("/api/v1/events", "\n".join(lines).encode())
    times = []
    for _ in range(9):
        started = time.monotonic()
        size = len(server.get("/metrics"))
        times.append(time.monotonic() - started)
    server.stop()
    return sorted(times)[4], size
