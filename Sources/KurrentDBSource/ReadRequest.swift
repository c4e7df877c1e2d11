import EventModel
import WireFormats

/// What is asked of `Streams.Read` for `$all` (message ReadReq of kurrentdb.proto).
struct ReadRequest: Equatable {
  enum Kind: Equatable {
    /// From behind a place (nil: from the start) on, for ever.
    case subscription(after: SourcePosition?)
    /// So many of the newest events, newest first. One of all events is the head of the log.
    case latest(Int)
    /// So many events, the one at the place (nil: the start) included.
    case forwards(from: SourcePosition?, count: Int)
  }

  static let path = "/event_store.client.streams.Streams/Read"
  /// How many events the server considers before it looks up; and between two checkpoints, where nothing matches.
  static let window = 500
  /// Types of the system that mean something to Clew: checkpoints of projections and groups, deleted streams, and
  /// metadata of streams (which says where they were cut).
  static let systemTypes = [
    "ProjectionCheckpoint", "SubscriptionCheckpoint", "EmmettProcessorCheckpointStored", "streamDeleted", "metadata",
  ]
  static var usualPattern: String { "^(?:[^$]|\\$(?:" + systemTypes.joined(separator: "|") + "))" }

  var kind: Kind
  var filter: KurrentDBAddress.Filter
  /// For people who watch the bytes; it costs 20 bytes an event.
  var asksForTextIDs = false

  var message: [UInt8] {
    var request = ProtobufWriter()
    request.put(1) { options in
      options.put(2) { all in self.writePlace(&all) }
      if case .latest = kind { options.put(3, varint: 1) }
      switch kind {
      case .subscription: options.put(6) { _ in }
      case .latest(let count), .forwards(_, let count): options.put(5, varint: UInt64(max(count, 0)))
      }
      self.writeFilter(&options)
      options.put(9) { uuid in uuid.put(asksForTextIDs ? 2 : 1) { _ in } }
    }
    return request.bytes
  }

  private func writePlace(_ all: inout ProtobufWriter) {
    switch kind {
    case .latest: all.put(3) { _ in }
    case .subscription(let place), .forwards(let place, _):
      guard let place else { return all.put(2) { _ in } }
      all.put(1) { position in
        position.put(1, varint: place.major)
        position.put(2, varint: place.minor)
      }
    }
  }

  private func writeFilter(_ options: inout ProtobufWriter) {
    let isAboutStreams: Bool
    var pattern: String?
    var prefixes: [String] = []
    switch (kind, filter) {
    case (_, .none): return options.put(8) { _ in }
    case (_, .usual): (isAboutStreams, pattern) = (false, Self.usualPattern)
    case (_, .streamPattern(let text)): (isAboutStreams, pattern) = (true, text)
    case (_, .typePattern(let text)): (isAboutStreams, pattern) = (false, text)
    case (_, .streamPrefixes(let texts)): (isAboutStreams, prefixes) = (true, texts)
    case (_, .typePrefixes(let texts)): (isAboutStreams, prefixes) = (false, texts)
    }
    options.put(7) { filter in
      filter.put(isAboutStreams ? 1 : 2) { expression in
        if let pattern { expression.put(1, text: pattern) }
        for prefix in prefixes { expression.put(2, text: prefix) }
      }
      filter.put(3, varint: UInt64(Self.window))
      filter.put(5, varint: 1)
    }
  }
}
