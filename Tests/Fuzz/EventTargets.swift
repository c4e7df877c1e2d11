import EventModel
import TestSupport
import WireFormats

@testable import EventSource

let eventTargets: [FuzzTarget] = [
  FuzzTarget(name: "frame", bytesMax: 4096, seeds: frameSeeds, run: frames),
  FuzzTarget(name: "line", bytesMax: 4096, seeds: lineSeeds, run: line),
  FuzzTarget(name: "body", bytesMax: 4096, seeds: bodySeeds, run: body),
  FuzzTarget(name: "report", bytesMax: 1024, seeds: reportSeeds, run: report),
  FuzzTarget(name: "source-url", bytesMax: 512, seeds: urlSeeds, run: url),
]

/// Hostile events that are short enough for a corpus.
func shortEvents(seed: UInt64, _ count: Int) -> [HostileEvent] {
  var generator = HostileEvents(seed: seed)
  generator.payloads.depth = 20
  generator.payloads.keyCount = 8
  generator.payloads.length = 40
  return generator.events(count * 3).filter { $0.line.count < 900 }.prefix(count).map(\.self)
}

@Sendable private func frameSeeds() -> [[UInt8]] {
  shortEvents(seed: 2, 12).map { event in
    var batch = EventBatch()
    event.append(to: &batch)
    return batch.bytes
  }
}

/// Valid frames can be read in every part, and are written as they were.
@Sendable private func frames(_ input: [UInt8]) {
  guard let batch = try? EventBatch(validating: input) else { return }
  var copy = EventBatch()
  batch.forEach { _, event in
    touch(event)
    copy.append(event, ordinal: event.ordinal, sourceIndex: event.sourceIndex)
  }
  demand(copy.bytes == input, "frames are copied as they are")
}

func touch(_ event: EventView) {
  let stored = StoredEvent(event, source: "s", correlation: event.correlation, payload: true)
  demand(stored.id.key == event.idKey, "an id has one key")
  _ = (event.correlationKey, event.causeKey, stored.hashValue)
  demand(stored.data?.bytes ?? [] == Array(event.data) || !event.flags.contains(.hasData), "data is given whole")
}

@Sendable private func lineSeeds() -> [[UInt8]] {
  shortEvents(seed: 3, 30).map(\.line) + cloudEvents
}

private let cloudEvents = [
  #"{"specversion":"1.0","id":"a","source":"/s","type":"T","time":"2026-01-01T00:00:00Z","correlationid":"c","causationid":"b","subject":"order-1","datacontenttype":"application/json","data":{"a":1}}"#,
  #"{"specversion":"1.0","id":"a","source":"/s","type":"T","data_base64":"AP8=","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#,
].map { Array($0.utf8) }

private func read(_ bytes: [UInt8], _ batch: inout EventBatch) -> LineResult {
  let reader = EventLineReader()
  return bytes.withUnsafeBytes { reader.read(line: $0, position: SourcePosition(major: 0), into: &batch) }
}

/// What is accepted is a valid frame, and is read again from its exported line as the same frame.
@Sendable private func line(_ input: [UInt8]) {
  var batch = EventBatch()
  let result = read(input, &batch)
  guard result == .event else {
    demand(batch.isEmpty, "a refused line leaves nothing")
    return
  }
  guard batch.count == 1, let checked = try? EventBatch(validating: batch.bytes), checked.count == 1 else {
    broken("an accepted line is one valid frame")
  }
  // A CloudEvent has its ids outside of metadata: it is exported as what it became.
  if input.contains([UInt8]("specversion".utf8)) || input.contains([0x5c, 0x75]) {
    return checked.withEvent(at: 0, touch)
  }
  let exported = checked.withEvent(at: 0) { event in
    touch(event)
    return HostileEvent(StoredEvent(event, source: "s", correlation: nil, payload: true)).line
  }
  var again = EventBatch()
  demand(read(exported, &again) == .event, "an exported line is read again")
  demand(again.bytes == batch.bytes, "an exported line is the same event")
}

@Sendable private func bodySeeds() -> [[UInt8]] {
  let lines = shortEvents(seed: 4, 4).map(\.line) + cloudEvents
  let array = [0x5b] + lines.joined(separator: [0x2c]) + [0x5d]
  return [
    [0] + lines.joined(separator: [0x0a]), [1] + array, [2] + cloudEvents[0], [3] + array, [4, 0xef, 0xbb, 0xbf],
  ]
}

@Sendable private func body(_ input: [UInt8]) {
  var dice = Dice(input)
  let types = [
    nil, "application/json", "application/cloudevents+json", "application/cloudevents-batch+json",
    "application/x-ndjson", "application/json; charset=utf-8", "text/plain",
  ]
  let type = types[Int(dice.byte()) % types.count]
  let bytes = dice.rest()
  guard let reader = try? EventBodyReader(body: bytes, contentType: type) else { return }
  var elements = 0
  while let batch = reader.next() {
    elements += batch.lines
    demand(elements <= bytes.count + 1, "a body has no more elements than bytes")
    demand((try? EventBatch(validating: batch.events.bytes))?.count == batch.events.count, "frames are valid")
  }
}

@Sendable private func reportSeeds() -> [[UInt8]] {
  [
    #"{"handler":"h","service":"s","causeId":"a","attempt":2,"state":"failed","at":"2026-01-01T00:00:00Z","errorType":"E","message":"m"}"#,
    #"[{"handler":"h","causeId":"a","state":"started"},{"handler":"h","causeId":"a","state":"succeeded"}]"#,
  ].map { Array($0.utf8) }
}

@Sendable private func report(_ input: [UInt8]) {
  _ = try? HandlerReportReader.read(body: input, contentType: nil, source: "s")
}

@Sendable private func urlSeeds() -> [[UInt8]] {
  [
    "file:///a/b%20c?follow=true&name=x&profile=axon", "kurrentdb://user:pass@host:2113?tls=false",
    "redis://h:6379/0?stream=a&stream=b", "-", "esdb+discover://h",
  ].map { Array($0.utf8) }
}

@Sendable private func url(_ input: [UInt8]) { _ = try? SourceURL.parse(String(decoding: input, as: UTF8.self)) }

extension [UInt8] {
  func contains(_ part: [UInt8]) -> Bool { firstRange(of: part) != nil }
}
