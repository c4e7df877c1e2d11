import EventModel
import Testing
import TraceStore

extension StoreConformance {
  static let identityCases: [Case] = [
    Case("identity: the same event again is a duplicate, in one batch and across batches") { fresh in
      var subject = try fresh()
      let a = event("a", in: "T")
      let b = event("b", in: "T", cause: "a")
      #expect(try subject.append([a, b, a]).dispositions == [.accepted, .accepted, .duplicate])
      #expect(try subject.append([b, a]).dispositions == [.duplicate, .duplicate])
      #expect(try subject.append([]).dispositions == [])
      try subject.verify()
    },
    Case("identity: other content is a conflict, and the first stays") { fresh in
      var subject = try fresh()
      let first = TestEvent("a", trace: "T", data: #"{"n":1}"#, metadata: "{}")
      try subject.append([first])
      for change in Self.changes {
        var other = first
        change(&other)
        #expect(try subject.append([other]).dispositions == [.conflict], "\(other)")
      }
      #expect(try subject.append([first]).dispositions == [.duplicate])
      try subject.verify()
    },
    Case("identity: a position does not make a conflict") { fresh in
      var subject = try fresh()
      try subject.append([TestEvent("a", trace: "T", position: 10)])
      #expect(try subject.append([TestEvent("a", trace: "T", position: 99)]).dispositions == [.duplicate])
      try subject.verify()
    },
    Case("identity: source and stream are part of it") { fresh in
      var subject = try fresh()
      try subject.append([event("a", in: "T", stream: "s-1")])
      #expect(try subject.append([event("a", in: "T", stream: "s-2")]).dispositions == [.accepted])
      #expect(try subject.append([event("a", in: "T", stream: "s-1")], source: "other").dispositions == [.accepted])
      #expect(try subject.append([event("a", in: "T", stream: "")]).dispositions == [.accepted])
      #expect(try subject.append([event("a", in: "T", stream: "s-2")]).dispositions == [.duplicate])
      try subject.verify()
    },
    Case("identity: a UUID in another spelling is the same event") { fresh in
      var subject = try fresh()
      try subject.append([event("6A1E5C2B-7D44-4E0A-9C11-0123456789AB", in: "T", type: "x")])
      let outcome = try subject.append([event("{6a1e5c2b7d444e0a9c110123456789ab}", in: "T", type: "x")])
      #expect(outcome.dispositions == [.duplicate])
      try subject.verify()
    },
    Case("identity: system events and reports are told apart by id as well") { fresh in
      var subject = try fresh()
      let system = event("s", stream: "$sys", eventClass: .system)
      let report = event("report:1", cause: "a", stream: "$clew-handler-reports", eventClass: .report)
      #expect(try subject.append([system, report]).dispositions == [.accepted, .accepted])
      #expect(try subject.append([report, system]).dispositions == [.duplicate, .duplicate])
      try subject.verify()
    },
    Case("identity: by position, what is not beyond the checkpoint was read before") { fresh in
      var subject = try fresh()
      func read(_ positions: [UInt64], checkpoint: UInt64, subStream: String = "") throws -> [Disposition] {
        let events = positions.map { TestEvent("e\(subStream)\($0)", trace: "T", position: $0) }
        let checkpoint = SourceCheckpoint(
          source: "kurrent", subStream: subStream, position: SourcePosition(major: checkpoint),
          token: "t\(checkpoint)")
        let outcome = try subject.append(events, source: "kurrent", identity: .position, checkpoint: checkpoint)
        return outcome.dispositions
      }
      #expect(try read([10, 20, 20, 30], checkpoint: 30) == [.accepted, .accepted, .duplicate, .accepted])
      #expect(try read([20, 30, 40], checkpoint: 45) == [.duplicate, .duplicate, .accepted])
      #expect(try read([45, 46], checkpoint: 46) == [.duplicate, .accepted])
      #expect(try read([10], checkpoint: 10, subStream: "shard") == [.accepted])
      #expect(try subject.store.checkpoints(ofSource: "kurrent") == subject.expected.checkpoints(ofSource: "kurrent"))
      try subject.verify()
    },
    Case("identity: by position, one id may stand for several events") { fresh in
      var subject = try fresh()
      let events = (1...3).map { TestEvent("a", trace: "T", type: "t\($0)", position: $0) }
      let outcome = try subject.append(
        events, source: "redis", identity: .position,
        checkpoint: SourceCheckpoint(source: "redis", position: SourcePosition(major: 3)))
      #expect(outcome.dispositions == [.accepted, .accepted, .accepted])
      try subject.verify()
    },
    Case("identity: checkpoints are stored with their batch, and without events") { fresh in
      var subject = try fresh()
      #expect(try subject.store.checkpoints(ofSource: "file").isEmpty)
      for place in [UInt64(7), 900, 3] {
        let checkpoint = SourceCheckpoint(
          source: "file", position: SourcePosition(major: place, minor: 2), token: "/a b/ü:\(place)")
        try subject.append(place == 900 ? [] : [event("a\(place)")], source: "file", checkpoint: checkpoint)
        #expect(try subject.store.checkpoints(ofSource: "file") == [checkpoint])
      }
      #expect(try subject.store.checkpoints(ofSource: "other").isEmpty)
      try subject.verify()
    },
    Case("identity: several batches in one call are stored in their order") { fresh in
      var subject = try fresh()
      let checkpoint = SourceCheckpoint(source: "one", position: SourcePosition(major: 5))
      let outcomes = try subject.store.append([
        SourceBatch([event("a", in: "T")], source: "one", checkpoint: checkpoint),
        SourceBatch([event("b", in: "T", cause: "a"), event("a", in: "T")], source: "two"),
        SourceBatch([event("a", in: "T")], source: "one"),
      ])
      #expect(outcomes.map(\.dispositions) == [[.accepted], [.accepted, .accepted], [.duplicate]])
      let ordinals = outcomes.flatMap(\.accepted).map(\.ordinal)
      #expect(ordinals == ordinals.sorted() && Set(ordinals).count == 3)
      #expect(outcomes.map(\.edges.count) == [0, 1, 0])
      try subject.disturbNow()
      #expect(try subject.store.checkpoints(ofSource: "one") == [checkpoint])
      let trace = try subject.store.trace(Identifier(text: Array("T".utf8)))
      #expect(trace.records.map(\.ordinal) == ordinals)
    },
  ]

  private static let changes: [@Sendable (inout TestEvent) -> Void] = [
    { $0.data = #"{"n":2}"# }, { $0.data = nil }, { $0.metadata = "{ }" }, { $0.type = "Other" },
    { $0.created = $0.created.advanced(byNanoseconds: 1) }, { $0.correlation = "U" }, { $0.cause = "b" },
    { $0.revision = 4 },
  ]
}
