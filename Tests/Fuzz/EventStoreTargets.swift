import EventModel
import TestSupport
import WireFormats

@testable import EventSource
@testable import HTTPClient
@testable import KurrentDBSource

let eventStoreTargets: [FuzzTarget] = [
  FuzzTarget(name: "grpc-frames", bytesMax: 1024, seeds: grpcSeeds, run: grpcFrames),
  FuzzTarget(name: "kurrentdb-events", bytesMax: 4096, seeds: subscriptionSeeds, run: subscription),
  FuzzTarget(name: "kurrentdb-answers", bytesMax: 1024, seeds: answerSeeds, run: answers),
  FuzzTarget(name: "checkpoint-event", bytesMax: 512, seeds: checkpointSeeds, run: checkpoint),
]

// MARK: Frames

@Sendable private func grpcSeeds() -> [[UInt8]] {
  [[3], [7, 1, 0], [200]].map { $0 + GRPCFrames.framed([1, 2, 3]) + GRPCFrames.framed([]) + [1, 0, 0, 0, 1, 9] }
}

/// Messages are the same wherever chunks end, and no more is kept than one message.
@Sendable private func grpcFrames(_ input: [UInt8]) {
  var dice = Dice(input)
  let piece = Int(dice.byte() % 32) + 1
  let body = dice.rest()
  let bytesMax = 512
  let whole = messages([body], bytesMax)
  let pieces = messages(
    stride(from: 0, to: body.count, by: piece).map { Array(body[$0..<min($0 + piece, body.count)]) }, bytesMax)
  demand(whole.messages == pieces.messages, "messages are the same in pieces")
  demand(whole.failure == pieces.failure && whole.isWhole == pieces.isWhole, "and so is how it ends")
}

private func messages(
  _ chunks: [[UInt8]], _ bytesMax: Int
) -> (messages: [[UInt8]], failure: GRPCFrames.Failure?, isWhole: Bool) {
  var frames = GRPCFrames(bytesMax: bytesMax)
  var found: [[UInt8]] = []
  var failure: GRPCFrames.Failure?
  for chunk in chunks where failure == nil {
    do {
      try chunk.withUnsafeBytes { bytes in
        try frames.take(bytes) { message in
          found.append([message.isCompressed ? 1 : 0] + Array(message.bytes))
          return true
        }
      }
    } catch { failure = error as? GRPCFrames.Failure }
    demand(frames.keptBytes <= bytesMax + max(GRPCFrames.prefixBytes, chunk.count), "what is kept is bounded")
  }
  return (found, failure, failure == nil && frames.isBetweenMessages)
}

// MARK: Messages

/// An event of `$all`, as servers send it.
private func event(_ position: UInt64, type: String, data: [UInt8], metadata: String, isText: Bool) -> [UInt8] {
  var response = ProtobufWriter()
  response.put(1) { read in
    read.put(1) { event in
      event.put(1) { uuid in
        if isText { return uuid.put(2, text: "00000000-0000-0001-0000-0000000000\(10 + position % 90)") }
        uuid.put(1) { structured in
          structured.put(1, varint: 1)
          structured.put(2, varint: position)
        }
      }
      event.put(2) { $0.put(3, text: "order-1") }
      event.put(3, varint: 4)
      event.put(4, varint: position)
      event.put(5, varint: position)
      for (key, value) in [("type", type), ("created", "17954222510860314"), ("content-type", "application/json")] {
        event.put(6) { entry in
          entry.put(1, text: key)
          entry.put(2, text: value)
        }
      }
      event.put(7, text: metadata)
      event.put(8, bytes: data)
    }
    read.put(3, varint: position)
  }
  return response.bytes
}

@Sendable private func subscriptionSeeds() -> [[UInt8]] {
  let metadata = #"{"$correlationId":"c","$causationId":"00000000-0000-0001-0000-000000000011","a":1}"#
  let events = payloadSeeds().filter { $0.count < 400 }.prefix(8).enumerated().map { number, data in
    event(UInt64(10 + number), type: "T\(number % 2)", data: data, metadata: metadata, isText: number % 2 == 0)
  }
  let link = event(90, type: "$>", data: Array("4@order-1".utf8), metadata: "", isText: false)
  let reader = event(
    91, type: "$ProjectionCheckpoint", data: [], metadata: #"{"$c":5,"$p":4}"#, isText: false)
  var checkpoint = ProtobufWriter()
  checkpoint.put(3) {
    $0.put(1, varint: 99)
    $0.put(2, varint: 99)
  }
  let all = events + [link, reader, checkpoint.bytes]
  return all.map { GRPCFrames.framed($0) } + [all.flatMap { GRPCFrames.framed($0) }]
}

/// Whatever a server sends: what it leaves in batches is valid, and the place goes only forward.
@Sendable private func subscription(_ input: [UInt8]) {
  let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
  var frames = GRPCFrames(bytesMax: 1 << 20)
  var last: SourcePosition?
  _ = input.withUnsafeBytes { bytes in
    try? frames.take(bytes) { message in
      let goesOn = (try? reader.take(message.bytes)) != nil
      if let last { demand(reader.resume.map { $0 >= last } ?? false, "the place goes only forward") }
      last = reader.resume
      return goesOn
    }
  }
  let taken = reader.takeBatch()
  let checked = try? EventBatch(validating: taken.events.bytes)
  demand(checked?.count == taken.events.count, "frames are valid")
  demand(taken.readers.count <= 1000 && taken.refusals.count <= FeedBatch.refusalsMax, "lists are bounded")
}

@Sendable private func answerSeeds() -> [[UInt8]] {
  var cluster = ProtobufWriter()
  cluster.put(1) { member in
    member.put(1) { $0.put(2, text: "00000000-0000-0001-0000-000000000011") }
    member.put(3, varint: 2)
    member.put(4, varint: 1)
    member.put(5) {
      $0.put(1, text: "node-1")
      $0.put(2, varint: 2113)
    }
  }
  var features = ProtobufWriter()
  features.put(1) { method in
    method.put(1, text: "read")
    method.put(2, text: "event_store.client.streams.streams")
    method.put(3, text: "position")
  }
  features.put(2, text: "24.10.0")
  var group = ProtobufWriter()
  group.put(1) { group in
    group.put(1, text: "$all")
    group.put(2, text: "billing")
    group.put(3, text: "Live")
    group.put(10, text: "C:10/P:10")
  }
  var projection = ProtobufWriter()
  projection.put(1) { details in
    details.put(4, text: "Running")
    details.put(8, text: "$by_category")
    details.put(11, text: "C:10/P:10")
    details.put(13, double: 99.5)
  }
  return [cluster, features, group, projection].map(\.bytes)
}

@Sendable private func answers(_ input: [UInt8]) {
  _ = (try? ClusterMember.read(input), try? ServerFeatures.read(input))
  _ = (try? ServiceReports.groups(input), try? ServiceReports.projection(input), try? LogIdentity.response(input))
  let text = String(decoding: input, as: UTF8.self)
  _ = (PlaceText.read(text), PlaceText.read(text, stream: "s"))
  if let record = ResumeToken.read(text) {
    demand(ResumeToken.read(ResumeToken.text(record)) == record, "a token is read as it was meant")
  }
}

@Sendable private func checkpointSeeds() -> [[UInt8]] {
  [
    #"0{"$c":10,"$p":9}"#, #"1{"commitPosition":10,"preparePosition":9}"#, #"2"C:10/P:10""#, #"3"42""#,
    #"4{"subscriptionId":"a","position":"5"}"#, #"5{"SubscriptionId":"a","Position":5}"#, #"6{"commitPosition":1}"#,
    #"0{"$s":{"a-1":5,"b":6}}"#,
  ].map { [UInt8($0.utf8.first! - 48)] + Array($0.utf8.dropFirst()) }
}

@Sendable private func checkpoint(_ input: [UInt8]) {
  let kinds = [
    ("$ProjectionCheckpoint", "$projections-p-checkpoint"), ("$ProjectionCheckpoint.V2", "$projections-p-checkpoint"),
    ("$SubscriptionCheckpoint", "$persistentsubscription-$all::g-checkpoint"),
    ("SubscriptionCheckpoint", "$persistentsubscription-s::g-checkpoint"),
    ("$EmmettProcessorCheckpointStored", "e"), ("CheckpointStored", "checkpoint_a"), ("check-point", "checkpoint_a"),
  ]
  var dice = Dice(input)
  let (type, stream) = kinds[Int(dice.byte()) % kinds.count]
  let text = dice.rest()
  _ = CheckpointEvents.read(stream: Array(stream.utf8), type: Array(type.utf8), data: text, metadata: text)
}
