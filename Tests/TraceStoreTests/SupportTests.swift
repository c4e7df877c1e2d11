import TestSupport
import Testing

@Suite("Test support") struct SupportTests {
  @Test func `a child's input, output, end and signals are seen`() throws {
    let echo = try ChildProcess.run(
      "sh", ["-c", "cat; echo \"$GREETING\" >&2; exit 3"], environment: ["GREETING": "hi"],
      input: Array("one\ntwo".utf8))
    #expect(echo.end == .exited(3) && echo.exitCode == 3)
    #expect(echo.outputText == "one\ntwo" && echo.errorText == "hi\n")

    let sleeper = try ChildProcess("sh", ["-c", "echo ready; exec sleep 100"])
    #expect(sleeper.waitForOutput("ready"))
    #expect(sleeper.isRunning && sleeper.wait(seconds: 0.01) == nil)
    sleeper.kill()
    #expect(sleeper.wait(seconds: 20) == .killed(signal: 9))
    #expect(!sleeper.waitForOutput("never"))
    #expect(throws: TestSupportError.self) { try ChildProcess("/no/such/program") }
  }

  @Test func `a megabyte goes through a child both ways`() throws {
    var random = SeededRandom(seed: 1)
    let bytes = random.bytes(1 << 20)
    #expect(try ChildProcess.run("cat", input: bytes).output == bytes)
  }

  @Test func `a temporary directory goes with its content`() throws {
    var directory: TemporaryDirectory? = try TemporaryDirectory("support")
    let path = try #require(directory).path
    try directory?.write("file", "text")
    _ = try ChildProcess.run("mkdir", ["-p", path + "/a/b/c"])
    _ = try ChildProcess.run("ln", ["-s", "/", path + "/a/link"])
    #expect(try ChildProcess.run("cat", [path + "/file"]).outputText == "text")
    directory = nil
    #expect(try ChildProcess.run("test", ["-e", path]).exitCode == 1)
    #expect(try ChildProcess.run("test", ["-e", "/tmp"]).exitCode == 0)
  }

  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func `hashes are those of the standard`(text: String, digest: String) {
    #expect(SHA256.hex(Array(text.utf8)) == digest)
  }

  @Test func `a free port is a port`() throws {
    #expect(try freePort() > 0)
  }
}
