import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// A store that takes nothing for a while: nothing is read meanwhile, and nothing is lost.
@Suite(.serialized) struct KurrentSlowStoreTests {
  @Test func `while the disk is full the subscription is given up and memory stays flat, and nothing is lost`() throws {
    let copies = 1500
    let directory = try TemporaryDirectory("slow-store")
    try Files.makeDirectory(directory.file("disk"))
    let server = try KurrentServer()
    try server.load(KurrentClew.fixture, call: KurrentClew.fixtureCall, copies: copies)
    // A real full disk, in a mount namespace of its own.
    let script = """
      mount -t tmpfs -o size=12m none "$DISK"; head -c 8000000 /dev/zero > "$DISK/filler"
      "$CLEW" serve --data "$DISK/data" --listen 127.0.0.1:0 --source "$SOURCE" & echo "pid $!"
      read line; rm "$DISK/filler"; mount -o remount,size=200m "$DISK"
      read line; kill -TERM $!; wait $!; echo "serve ended with $?"
      "$CLEW" export events --data "$DISK/data" > "$OUT"
      """
    let child = try ChildProcess(
      "unshare", ["-rm", "sh", "-c", script],
      environment: [
        "DISK": directory.file("disk"), "CLEW": Clew.path(), "HOME": directory.path, "OUT": directory.file("events"),
        "SOURCE": KurrentClew.url(server),
      ])
    let clew = try RunningClew(child)
    let state = { try? clew.json("/api/v1/sources")["sources"]?[0]?["state"]?.string }
    #expect(eventually(within: 60) { state() == "waiting_for_store" }, "\(child.errorText)")
    // Given up: no subscription is open, so no unread connection waits for the server to end it.
    func openSubscriptions() throws -> Int {
      try server.calls("Streams/Read").filter { $0["end"]?.string == "open" && $0["headers"]?["grpc-timeout"] == nil }
        .count
    }
    #expect(eventually(within: 30) { (try? openSubscriptions()) == 0 })
    let resident = try clew.residentBytes()
    let sent = try server.counter("bytes")
    let calls = try server.counter("calls")
    // Three more questions for the head: the source lives on.
    #expect(eventually(within: 60) { (try? server.counter("calls")) ?? 0 >= calls + 3 })
    #expect(try clew.residentBytes() < resident + (16 << 20), "memory grows while nothing can be stored")
    #expect(try server.counter("bytes") < sent + (1 << 20), "it reads on though nothing can be stored")

    child.write("free\n")
    #expect(eventually(within: 120) { state() == "live" }, "\(child.errorText)")
    child.write("stop\n")
    #expect(child.wait(seconds: 120) == .exited(0))
    #expect(child.outputText.contains("serve ended with 0"), "\(child.errorText)")
    let stored = try Files.read(directory.file("events"), bytesMax: 1 << 30)
    #expect(try stored == KurrentClew.calmExport(copies: copies), "every event once and in order")
  }
}

/// `clew serve` that a shell started.
final class RunningClew {
  private let url: String
  private let pid: Int
  private let client = HTTPClient()

  init(_ child: ChildProcess) throws {
    let marker = "listening on "
    guard child.waitForErrorOutput(marker, seconds: 60), let range = child.errorText.firstRange(of: marker),
      let line = child.outputText.split(separator: "\n").first(where: { $0.hasPrefix("pid ") }),
      let pid = Int(line.dropFirst(4))
    else { throw TestSupportError("clew serve did not get ready: \(child.errorText)") }
    url = String(child.errorText[range.upperBound...].prefix { !$0.isWhitespace && $0 != "," })
    self.pid = pid
  }

  func json(_ path: String) throws -> JSONValue { try JSONValue.parse(client.request("GET", url + path).body) }

  func residentBytes() throws -> Int {
    let text = String(decoding: try Files.read("/proc/\(pid)/status", bytesMax: 1 << 16), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    let digits = line.filter(\.isNumber)
    guard let kibibytes = Int(digits) else { throw TestSupportError("no VmRSS of \(pid)") }
    return kibibytes * 1024
  }
}
