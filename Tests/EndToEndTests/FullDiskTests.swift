import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// A real full disk: a small file system in a mount namespace of its own.
@Suite("Full disk", .serialized) struct FullDiskTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("full-disk") }

  /// A shell in its own mount namespace, with a file system of `megabytes` at `disk`.
  func shell(_ megabytes: Int, _ script: String) throws -> ChildProcess {
    try Files.makeDirectory(directory.file("disk"))
    return try ChildProcess(
      "unshare",
      ["-rm", "sh", "-c", "mount -t tmpfs -o size=\(megabytes)m none \"$DISK\" && { \(script)\n}"],
      environment: ["DISK": directory.file("disk"), "CLEW": Clew.path(), "HOME": directory.path])
  }

  @Test func `an import on a full disk ends with 2, says what to do, and keeps what it said`() throws {
    let events = try directory.write("events.ndjson", (0..<60_000).flatMap { KillLoopTests.line($0) })
    let child = try shell(
      8,
      """
      "$CLEW" import '\(events)' --data "$DISK/data" --json; echo "import ended with $?"
      "$CLEW" stats --data "$DISK/data" --json; echo
      "$CLEW" verify --data "$DISK/data" >/dev/null; echo "verify ended with $?"
      """)
    #expect(child.wait(seconds: 120) == .exited(0), "\(child.errorText)")
    #expect(child.outputText.contains("import ended with 2"), "\(child.outputText)")
    #expect(child.outputText.contains("verify ended with 0"), "\(child.outputText) \(child.errorText)")
    #expect(child.errorText.contains("full") && child.errorText.contains("free"), "\(child.errorText)")
    let stats = child.outputText.split(separator: "\n").compactMap { try? JSONValue.parse(String($0)) }
    let count = stats.compactMap { $0["eventCount"]?.int }.last ?? 0
    #expect(count > 1000 && count < 60_000)
  }

  @Test func `a server on a full disk stops acknowledging, keeps answering, and resumes when there is space`() throws {
    let child = try shell(
      24,
      """
      head -c 12000000 /dev/zero > "$DISK/filler"
      "$CLEW" serve --data "$DISK/data" --listen 127.0.0.1:0 &
      read line; rm "$DISK/filler"; read line; kill -TERM $!; wait $!
      echo "serve ended with $?"
      "$CLEW" verify --data "$DISK/data" >/dev/null; echo "verify ended with $?"
      "$CLEW" stats --data "$DISK/data" --json
      """)
    let marker = "listening on "
    try #require(child.waitForErrorOutput(marker, seconds: 30), "\(child.errorText)")
    let text = child.errorText
    let range = try #require(text.firstRange(of: marker))
    let url = String(text[range.upperBound...].prefix { !$0.isWhitespace && $0 != "," })
    let client = HTTPClient()

    var acknowledged = 0
    var refusal: HTTPClientResponse?
    for start in stride(from: 0, to: 100_000, by: 500) where refusal == nil {
      let answer = try client.request(
        "POST", url + "/api/v1/events", body: (start..<(start + 500)).flatMap { KillLoopTests.line($0) })
      if answer.status == 200 { acknowledged = start + 500 } else { refusal = answer }
    }
    #expect(refusal?.status == 507, "\(refusal?.text ?? "never refused")")
    #expect(acknowledged > 0)
    #expect(try client.request("GET", url + "/livez").status == 200)
    let ready = try client.request("GET", url + "/readyz")
    #expect(ready.status == 503 && ready.text.contains("disk"), "\(ready.text)")
    #expect(try client.request("GET", url + "/api/v1/traces/trace-1").status == 200)
    #expect(try client.request("GET", url + "/metrics").text.contains("clew_store_write_errors_total"))

    child.write("free\n")
    let resumed = eventually(within: 30) {
      let body = (acknowledged..<(acknowledged + 500)).flatMap { KillLoopTests.line($0) }
      return (try? client.request("POST", url + "/api/v1/events", body: body).status) == 200
    }
    #expect(resumed)
    acknowledged += 500
    #expect(eventually(within: 10) { (try? client.request("GET", url + "/readyz").status) == 200 })
    child.write("stop\n")
    #expect(child.wait(seconds: 60) == .exited(0))
    #expect(child.outputText.contains("serve ended with 0"), "\(child.outputText) \(child.errorText)")
    #expect(child.outputText.contains("verify ended with 0"))
    let stats = child.outputText.split(separator: "\n").compactMap { try? JSONValue.parse(String($0)) }
    #expect(stats.compactMap { $0["eventCount"]?.int }.last == acknowledged)
  }
}
