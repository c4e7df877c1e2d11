import Glibc
import TestSupport

/// Another machine, as far as the network knows: a namespace of its own, and a cable to it. Gone with the object.
final class NetworkNamespace {
  let name: String
  /// Of this side and of the other.
  let own: String
  let address: String

  /// What is missing; nil: namespaces can be made.
  static let hindrance: String? = {
    if geteuid() != 0 { return "needs root, to make a network namespace" }
    if !TestSupport.hasProgram("ip") { return "needs the program ip (iproute2)" }
    do {
      _ = try NetworkNamespace()
      return nil
    } catch { return "a network namespace cannot be made: \(error)" }
  }()

  init() throws {
    // One of 16,384 pairs of 198.18.0.0/15, which nobody routes: tests in other processes take others.
    let number = Int(getpid()) % 16_384
    name = "clew-\(getpid())"
    own = "198.18.\(number / 64).\(number % 64 * 4 + 1)"
    address = "198.18.\(number / 64).\(number % 64 * 4 + 2)"
    try ip("netns add \(name)")
    try ip("link add \(interface) type veth peer name eth0 netns \(name)")
    try ip("addr add \(own)/30 dev \(interface)")
    try ip("link set \(interface) up")
    try ip("-n \(name) addr add \(address)/30 dev eth0")
    try ip("-n \(name) link set eth0 up")
  }

  deinit {
    // The cable first: with the namespace it would go a moment later. Processes in it are ended by whoever started them.
    try? ip("link del \(interface)")
    try? ip("netns del \(name)")
  }

  private var interface: String { "clew\(getpid())" }

  /// From now on nothing that the other side says arrives: no answer, no reset, no word that it has gone.
  func vanish() throws { try ip("-n \(name) route add blackhole \(own)/32") }

  func comeBack() throws { try ip("-n \(name) route del blackhole \(own)/32") }

  private func ip(_ words: String) throws {
    let result = try ChildProcess.run("ip", words.split(separator: " ").map(String.init), seconds: 20)
    guard result.exitCode == 0 else { throw TestSupportError("ip \(words): \(result.errorText)") }
  }
}
