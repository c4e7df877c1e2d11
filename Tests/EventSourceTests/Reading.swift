import EventModel
import EventSource
import Platform
import TestSupport

/// A line read, with what is in its frame as plain values.
struct ReadEvent {
  var event: StoredEvent
  var flags: EventFrame.Flags

  var data: [UInt8]? { event.data?.bytes }
  var metadata: [UInt8]? { event.metadata?.bytes }
}

enum Reading {
  static let clock = TestClock(Timestamp(nanoseconds: 1_800_000_000_000_000_000))

  /// The event of a line, or the reason why there is none.
  static func line(_ bytes: [UInt8], _ rules: ReadingRules = ReadingRules()) -> (event: ReadEvent?, result: LineResult)
  {
    let reader = EventLineReader(rules: rules, clock: clock)
    var batch = EventBatch()
    let result = unsafe bytes.withUnsafeBytes {
      unsafe reader.read(line: $0, position: SourcePosition(major: 7), into: &batch)
    }
    return (events(batch).first, result)
  }

  static func line(_ text: String, _ rules: ReadingRules = ReadingRules()) -> (event: ReadEvent?, result: LineResult) {
    line(Array(text.utf8), rules)
  }

  /// A line with this metadata, everything else valid.
  static func metadata(_ json: String, _ rules: ReadingRules = ReadingRules()) -> ReadEvent? {
    line(
      #"{"id":"e1","stream":"order-1","type":"OrderPlaced","created":"2026-01-01T00:00:00Z","metadata":\#(json)}"#,
      rules
    ).event
  }

  /// A line with these members behind the valid ones, which they may replace (the last of equal names counts).
  static func with(_ members: String, _ rules: ReadingRules = ReadingRules()) -> (event: ReadEvent?, result: LineResult)
  {
    line(
      #"{"id":"e1","stream":"order-1","type":"OrderPlaced","created":"2026-01-01T00:00:00Z",\#(members)}"#, rules)
  }

  static func events(_ batch: EventBatch) -> [ReadEvent] {
    var all: [ReadEvent] = []
    batch.forEach { _, view in
      all.append(
        ReadEvent(event: StoredEvent(view, source: "test", correlation: nil, payload: true), flags: view.flags))
    }
    return all
  }

  static func refusal(_ result: LineResult) -> String? {
    if case .refused(let reason) = result { reason } else { nil }
  }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
