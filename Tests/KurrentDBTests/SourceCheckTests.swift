import TestSupport
import Testing
import WireFormats

@testable import KurrentDBSource

@Suite(
  .serialized, .enabled(if: TestSupport.hasSharedData, "needs the shared data"),
  .enabled(if: TestSupport.hasProgram("protoc"), "needs protoc: .ci/install-packages test"))
struct SourceCheckTests {
  private func check(_ address: KurrentDBAddress) -> [String: SourceCheck.Finding] {
    Dictionary(SourceCheck(address).run().map { ($0.topic, $0) }) { first, _ in first }
  }

  @Test func `what works is said: connection, rights, head, rate, ids`() throws {
    let store = try PythonStore(FeedTests.log)
    let found = check(try store.address(scheme: "esdb+discover"))
    #expect(found.values.allSatisfy { $0.state == .works }, "\(found)")
    #expect(found["cluster"]?.text.contains("127.0.0.1:\(store.port)") == true)
    #expect(found["connection"]?.text.contains("version 24.10.14") == true)
    #expect(found["rights"]?.text.contains("position 1817651") == true)
    #expect(
      found["ids"]?.text.contains("$correlationId") == true && found["ids"]?.text.contains("$causationId") == true)
    #expect(found["events"]?.text.contains("a day") == true)
  }

  @Test func `what does not work is said, each with what to do`() throws {
    let store = try PythonStore(FeedTests.log, arguments: ["--secured"])
    let nobody = check(try store.address())["rights"]
    #expect(nobody?.state == .fails && nobody?.hint.contains("may not read $all") == true)
    let wrong = check(try store.address(user: "reader:wrong@"))["rights"]
    #expect(wrong?.state == .fails && wrong?.hint.contains("password is wrong") == true)
    let scheme = check(try KurrentDBAddress.parse("esdb://127.0.0.1:\(store.port)"))["TLS"]
    #expect(scheme?.state == .fails && scheme?.hint.contains("tls=false") == true)
    let address = try store.address()
    store.process.kill()
    #expect(eventually(within: 20) { check(address)["connection"]?.text.contains("nobody answers") == true })
  }

  @Test func `the profile that fits the metadata is proposed`() throws {
    let eventuous = try JSONValue.parse(#"{"eventuous.correlation-id":"a","eventuous.causation-id":"b"}"#)
    let fits = SourceCheck.fits([eventuous, nil, .null, .array([])])
    let best = fits.max { $0.correlated + $0.caused < $1.correlated + $1.caused }
    #expect(best?.correlated == 1 && best?.caused == 1)
    #expect(fits.first { $0.profile == "eventuous" }?.correlationKeys == ["eventuous.correlation-id"])
  }

  @Test func `without events of the application there is nothing to judge`() throws {
    let finding = try #require(SourceCheck.judge([], wanted: nil).first)
    #expect(finding.state == .note && finding.topic == "events")
  }
}
