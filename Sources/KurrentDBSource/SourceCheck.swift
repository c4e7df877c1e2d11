import EventModel
import EventSource
import HTTPClient
import Platform
import WireFormats

/// Looks at an event store before it is followed: what works, what does not, and which profile fits its events.
public struct SourceCheck: Sendable {
  public struct Finding: Equatable, Sendable {
    public enum State: String, Sendable {
      case works, fails
      /// Neither good nor bad.
      case note
    }

    /// One or two words: `connection`, `rights`.
    public var topic: String
    public var state: State
    public var text: String
    /// What to do, if something is.
    public var hint: String

    public init(topic: String, state: State, text: String, hint: String) {
      self.topic = topic
      self.state = state
      self.text = text
      self.hint = hint
    }
  }

  /// What the metadata of a sample says, for one profile.
  public struct ProfileFit: Equatable, Sendable {
    public var profile: String
    /// Events of the sample that have an id under one of the profile's keys.
    public var correlated: Int
    public var caused: Int
    public var correlationKeys: [String]
    public var causationKeys: [String]
  }

  static let featuresPath = "/event_store.client.server_features.ServerFeatures/GetSupportedMethods"
  static let sampleCount = 1000

  private let address: KurrentDBAddress
  private let calls: ServerCalls

  public init(_ address: KurrentDBAddress) {
    self.address = address
    calls = ServerCalls(address)
  }

  /// Asks, step by step, and ends at the first step that makes the next ones useless.
  public func run() -> [Finding] {
    var findings: [Finding] = []
    do throws(FeedProblem) {
      let node = try NodeFinder(calls).find()
      if address.discovers {
        findings.append(
          Finding(topic: "cluster", state: .works, text: "the node to read from is \(node.text)", hint: ""))
      }
      findings.append(try server(node))
      if !address.usesTLS, address.user != nil {
        findings.append(
          Finding(
            topic: "TLS", state: .note, text: "user and password go over the network in plain text",
            hint: "use TLS where the network is not your own"))
      }
      findings += try log(node)
    } catch {
      let topic =
        error.reason == .auth
        ? (error.message.contains("TLS") || error.message.contains("certificate")
          ? "TLS" : "rights") : "connection"
      findings.append(Finding(topic: topic, state: .fails, text: error.message, hint: error.hint))
    }
    return findings
  }

  private func server(_ node: KurrentDBAddress.Host) throws(FeedProblem) -> Finding {
    let answer = try calls.collect(Self.featuresPath, [], node, seconds: address.deadlineSeconds)
    guard answer.status.code == 0, let message = answer.messages.first else {
      throw calls.problem(answer.status, node)
    }
    do throws(ProtobufError) {
      let features = try ServerFeatures.read(message)
      let security = address.usesTLS ? "with TLS" : "without TLS"
      return Finding(
        topic: "connection", state: .works,
        text: "\(node.text) answers \(security): version \(features.version), \(features.methods.count) methods",
        hint: "")
    } catch {
      throw FeedProblem(.error, "the features of \(node.text) cannot be read: \(error)", hint: "")
    }
  }

  private func log(_ node: KurrentDBAddress.Host) throws(FeedProblem) -> [Finding] {
    let seconds = address.deadlineSeconds
    guard let head = try LogIdentity(calls, node).records(.latest(1), .none, seconds: seconds).first else {
      return [
        Finding(
          topic: "log", state: .note, text: "$all may be read, and has no event", hint: "is the server still starting?")
      ]
    }
    let time = RFC3339.string(nanoseconds: head.created.nanoseconds)
    var findings = [
      Finding(
        topic: "rights", state: .works,
        text: "$all may be read; the head is at position \(head.position.major), written at \(time)", hint: "")
    ]
    let message = ReadRequest(kind: .latest(Self.sampleCount), filter: address.filter).message
    let sample = try calls.collect(ReadRequest.path, message, node, seconds: seconds)
    guard sample.status.code == 0 else { throw calls.problem(sample.status, node) }
    findings += Self.judge(sample.messages, wanted: address.profile?.name)
    return findings
  }

  // MARK: The sample

  /// What the newest events say of rate and ids.
  static func judge(_ messages: [[UInt8]], wanted: String?) -> [Finding] {
    var metadata: [JSONValue?] = []
    var times: [Timestamp] = []
    for message in messages {
      guard let response = try? LogIdentity.response(message), let record = response.event,
        message[record.event.type].first != 0x24, message[record.event.stream].first != 0x24
      else { continue }
      times.append(record.event.created)
      metadata.append(try? JSONValue.parse(Array(message[record.event.metadata])))
    }
    guard let newest = times.max(), let oldest = times.min() else {
      return [
        Finding(
          topic: "events", state: .note, text: "no event of the application among the newest that the filter lets pass",
          hint: "is the filter right?")
      ]
    }
    var findings: [Finding] = []
    let seconds = Double(newest.since(oldest)) / 1e9
    let count = metadata.count
    if count > 1, seconds > 0 {
      let perDay = Double(count - 1) / seconds * 86_400
      findings.append(
        Finding(
          topic: "events", state: .works, text: "about \(Int(perDay)) a day, by the newest \(count)", hint: ""))
    }
    return findings + [proposal(fits(metadata), count, wanted)]
  }

  private static func proposal(_ fits: [ProfileFit], _ count: Int, _ wanted: String?) -> Finding {
    let used = wanted ?? "kurrentdb"
    let best = fits.max {
      ($0.correlated + $0.caused, $0.profile == used ? 1 : 0) < ($1.correlated + $1.caused, $1.profile == used ? 1 : 0)
    }
    guard let best, best.correlated + best.caused > 0 else {
      return Finding(
        topic: "ids", state: .fails,
        text: "none of the newest \(count) events has a correlation or causation id under a key that is known",
        hint: "name the keys in the configuration (correlation-keys, causation-keys), or let the producers write them")
    }
    func share(_ part: Int, _ keys: [String]) -> String {
      "\(100 * part / count) %" + (keys.isEmpty ? "" : " (\(keys.joined(separator: ", ")))")
    }
    let text =
      "correlation id in \(share(best.correlated, best.correlationKeys)), "
      + "causation id in \(share(best.caused, best.causationKeys)) of the newest \(count) events"
    let current = fits.first { $0.profile == used }
    if let current, current.correlated + current.caused >= best.correlated + best.caused {
      return Finding(topic: "ids", state: .works, text: text, hint: "")
    }
    return Finding(topic: "ids", state: .note, text: text, hint: "the profile that fits is profile=\(best.profile)")
  }

  /// Every profile, by what it would find.
  static func fits(_ metadata: [JSONValue?]) -> [ProfileFit] {
    MetadataProfile.names.compactMap { MetadataProfile.named($0) }.map { profile in
      var fit = ProfileFit(
        profile: profile.name, correlated: 0, caused: 0, correlationKeys: [], causationKeys: [])
      for value in metadata {
        guard let value else { continue }
        if let key = first(profile.correlationKeys, in: value) {
          fit.correlated += 1
          if !fit.correlationKeys.contains(key) { fit.correlationKeys.append(key) }
        }
        if let key = first(profile.causationKeys, in: value) {
          fit.caused += 1
          if !fit.causationKeys.contains(key) { fit.causationKeys.append(key) }
        }
      }
      return fit
    }
  }

  /// The first of the keys, in exactly its spelling, that has a text, a number or a boolean.
  private static func first(_ keys: [String], in value: JSONValue) -> String? {
    keys.first { key in
      switch value[key] {
      case .string(let text)?: !text.isEmpty
      case .number?, .bool?: true
      default: false
      }
    }
  }
}
