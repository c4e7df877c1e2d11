import EventModel

/// Places as servers and client libraries spell them.
enum PlaceText {
  /// `C:10/P:10`, `C:10/P:10; $et-A: 3; `, `orders: 7`, `a: 1; b: 2; `, `42` (of `stream`), each perhaps behind the
  /// number of a phase: `(1) C:10/P:10`. Nil for an empty text, and for any other.
  ///
  /// - Parameter stream: what a number alone belongs to.
  static func read(_ given: String, stream: String? = nil) -> ReaderProgress.Place? {
    var text = trimmed(Substring(given))
    if text.hasPrefix("("), let end = text.firstIndex(of: ")"),
      Int(text[text.index(after: text.startIndex)..<end]) != nil
    {
      text = trimmed(text[text.index(after: end)...])
    }
    guard !text.isEmpty else { return nil }
    let parts = text.split(separator: ";").map { trimmed($0) }.filter { !$0.isEmpty }
    if let first = parts.first, first.hasPrefix("C:") { return log(first) }
    if parts.count == 1, let revision = Int64(parts[0]), let stream {
      return revision < 0 ? .start : .streams([ReaderProgress.StreamPlace(stream: stream, revision: revision)])
    }
    var places: [ReaderProgress.StreamPlace] = []
    for part in parts {
      // A stream's name may hold anything, a colon too: the last one counts.
      guard let colon = part.lastIndex(of: ":"), let revision = Int64(trimmed(part[part.index(after: colon)...])),
        colon > part.startIndex
      else { return nil }
      places.append(ReaderProgress.StreamPlace(stream: String(part[..<colon]), revision: revision))
    }
    return places.isEmpty ? nil : places.allSatisfy { $0.revision < 0 } ? .start : .streams(places)
  }

  /// `C:10/P:10`; a part that is -1 stands for "nothing yet".
  private static func log(_ text: Substring) -> ReaderProgress.Place? {
    let halves = text.dropFirst(2).split(separator: "/", maxSplits: 1)
    guard halves.count == 2, halves[1].hasPrefix("P:"), let commit = Int64(halves[0]),
      let prepare = Int64(halves[1].dropFirst(2))
    else { return nil }
    return place(commit: commit, prepare: prepare)
  }

  static func place(commit: Int64, prepare: Int64) -> ReaderProgress.Place {
    if commit < 0 || prepare < 0 || commit == 0 { return .start }
    return .log(SubscriptionReader.exclusive(SourcePosition(major: UInt64(commit), minor: UInt64(prepare))))
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while let first = text.first, first == " " { text = text.dropFirst() }
    while let last = text.last, last == " " { text = text.dropLast() }
    return text
  }
}
