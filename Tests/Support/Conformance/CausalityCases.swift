import EventModel

extension StoreConformance {
  static let causalityCases: [Case] = causalityScenarios.map { scenario in
    Case("causality: \(scenario.name)") { fresh in try scenario.run(fresh) }
  }

  static let correlationCases: [Case] = correlationScenarios.map { scenario in
    Case("correlation: \(scenario.name)") { fresh in try scenario.run(fresh) }
  }

  private static let causalityScenarios: [Scenario] = [
    scenario(
      "a chain, in every order",
      [event("a", in: "T"), event("b", in: "T", cause: "a", at: 5), event("c", in: "T", cause: "b", at: 7)],
      traces: ["T": ["a", "b", "c"]], edges: ["b<a", "c<b"]),
    scenario(
      "fan-out, and an effect that is older than its cause",
      [
        event("a", in: "T", at: 10), event("b", in: "T", cause: "a", at: 20), event("c", in: "T", cause: "a", at: 3),
        event("d", in: "T", cause: "c", at: 4, failure: .metadata),
      ],
      traces: ["T": ["a", "b", "c", "d"]], edges: ["b<a", "c<a", "d<c"]),
    scenario(
      "a cause that never comes", [event("a", in: "T", cause: "missing"), event("b", in: "T", cause: "a")],
      traces: ["T": ["a", "b"]], edges: ["b<a"]),
    scenario(
      "siblings of a missing cause get no edge between them",
      [event("a", in: "T", cause: "missing"), event("b", in: "T", cause: "missing")],
      traces: ["T": ["a", "b"]], edges: []),
    scenario(
      "a cause in another trace",
      [event("a", in: "T1"), event("b", in: "T2", cause: "a"), event("c", in: "T2", cause: "b")],
      traces: ["T1": ["a"], "T2": ["b", "c"]], edges: ["c<b"]),
    scenario(
      "an event that names itself", [event("a", in: "T", cause: "a"), event("b", in: "T", cause: "a")],
      traces: ["T": ["a", "b"]], edges: ["b<a"]),
    scenario(
      "the correlation id as cause marks a root",
      [event("a", in: "T", cause: "T"), event("b", in: "T", cause: "a")],
      traces: ["T": ["a", "b"]], edges: ["b<a"]),
    scenario(
      "an event with the correlation id as its id outranks the root marker, whenever it comes",
      [event("a", in: "T", cause: "T"), event("T", in: "T"), event("b", in: "T", cause: "T")],
      traces: ["T": ["T", "a", "b"]], edges: ["a<T", "b<T"]),
    scenario(
      "a span id is no cause",
      [event("a", in: "T", cause: "0123456789abcdef"), event("b", in: "T", cause: "a")],
      traces: ["T": ["a", "b"]], edges: ["b<a"]),
    scenario(
      "a cycle of two loses the effect of the later one",
      [event("a", in: "T", cause: "b"), event("b", in: "T", cause: "a")],
      traces: ["T": ["a", "b"]], edges: ["b<a"], isOrdered: true),
    scenario(
      "a cycle of three with a tail",
      [
        event("a", in: "T", cause: "c"), event("tail", in: "T", cause: "a"), event("c", in: "T", cause: "b"),
        event("b", in: "T", cause: "a"), event("end", in: "T", cause: "b"), event("root", in: "T"),
      ],
      traces: ["T": ["a", "b", "c", "end", "root", "tail"]], edges: ["a<c", "b<a", "end<b", "tail<a"],
      isOrdered: true),
    scenario(
      "of one id in one trace the first stored counts",
      [
        event("a", in: "T", stream: "s-1", type: "first"), event("a", in: "T", stream: "s-2", type: "second"),
        event("b", in: "T", cause: "a"), event("c", in: "T", cause: "b"),
        event("b", in: "T", cause: "a", stream: "s-2", type: "b2", failure: .eventType),
      ],
      traces: ["T": ["a", "a", "b", "b", "c"]], edges: ["b<first", "c<b"], isOrdered: true),
    scenario(
      "one id in two traces",
      [
        event("a", in: "T1", stream: "s-1", type: "a1"), event("a", in: "T2", stream: "s-2", type: "a2"),
        event("b", in: "T1", cause: "a"), event("c", in: "T2", cause: "a"),
      ],
      traces: ["T1": ["a", "b"], "T2": ["a", "c"]], edges: ["b<a1", "c<a2"]),
    scenario(
      "a cause from another source",
      sources: [("one", event("a", in: "T")), ("two", event("b", in: "T", cause: "a"))],
      traces: ["T": ["a", "b"]], edges: ["b<a"]),
    scenario(
      "two sources with the same ids: the second copies do not count",
      sources: [
        ("one", event("a", in: "T", type: "a1")), ("two", event("a", in: "T", type: "a2")),
        ("two", event("b", in: "T", cause: "a", type: "b2")), ("one", event("b", in: "T", cause: "a", type: "b1")),
      ],
      traces: ["T": ["a", "a", "b", "b"]], edges: ["b2<a1"], isOrdered: true),
    scenario(
      "two sources with the same ids in traces of their own",
      sources: [
        ("one", event("a", in: "T1", type: "a1")), ("two", event("a", in: "T2", type: "a2")),
        ("two", event("b", in: "T2", cause: "a", type: "b2")), ("one", event("b", in: "T1", cause: "a", type: "b1")),
      ],
      traces: ["T1": ["a", "b"], "T2": ["a", "b"]], edges: ["b1<a1", "b2<a2"]),
    scenario(
      "system events and reports are in no trace and cause nothing",
      [
        event("a", in: "T"), event("s", in: "T", cause: "a", stream: "$stats-1", eventClass: .system),
        event("b", in: "T", cause: "s"), event("r", cause: "a", stream: "$clew-handler-reports", eventClass: .report),
      ],
      traces: ["T": ["a", "b"]], edges: []),
    scenario(
      "UUIDs in any spelling are one id",
      [
        event("6A1E5C2B-7D44-4E0A-9C11-0123456789AB", in: "{0f8fad5b-d9cb-469f-a165-70867728950e}", type: "a"),
        event(
          "b", in: "0F8FAD5BD9CB469FA16570867728950E", cause: "6a1e5c2b7d444e0a9c110123456789ab", type: "b"),
      ],
      traces: ["0f8fad5b-d9cb-469f-a165-70867728950e": ["6a1e5c2b-7d44-4e0a-9c11-0123456789ab", "b"]],
      edges: ["b<a"]),
  ]

  private static let correlationScenarios: [Scenario] = [
    scenario(
      "inherited from the cause", [event("a", in: "T"), event("b", cause: "a")], traces: ["T": ["a", "b"]],
      edges: ["b<a"]),
    scenario(
      "inherited through a chain, whatever comes last",
      [event("a", in: "T"), event("b", cause: "a"), event("c", cause: "b"), event("d", cause: "c")],
      traces: ["T": ["a", "b", "c", "d"]], edges: ["b<a", "c<b", "d<c"]),
    scenario(
      "inherited by many",
      [event("a", in: "T"), event("b", cause: "a"), event("c", cause: "a"), event("d", cause: "b")],
      traces: ["T": ["a", "b", "c", "d"]], edges: ["b<a", "c<a", "d<b"]),
    scenario(
      "without a known cause an event is in no trace",
      [event("a", cause: "missing"), event("b", cause: "a"), event("c")],
      traces: [:], edges: []),
    scenario(
      "an event whose id is a correlation id belongs to that trace",
      [event("T"), event("a", in: "T", cause: "T"), event("b", in: "T")],
      traces: ["T": ["T", "a", "b"]], edges: ["a<T"]),
    scenario(
      "its own id's trace outranks its cause's, and what inherits moves with it",
      [event("x", in: "T1"), event("T2", cause: "x"), event("child", cause: "T2"), event("late", in: "T2")],
      traces: ["T1": ["x"], "T2": ["T2", "child", "late"]], edges: ["child<T2"]),
    scenario(
      "a correlation of its own is never replaced",
      [event("a", in: "T1"), event("b", in: "T2", cause: "a"), event("c", in: "b"), event("d", cause: "b")],
      traces: ["T1": ["a"], "T2": ["b", "d"], "b": ["c"]], edges: ["d<b"]),
    scenario(
      "a ring of events without correlation is in no trace",
      [event("a", cause: "b"), event("b", cause: "a"), event("c", cause: "a")], traces: [:], edges: []),
    scenario(
      "a system event passes nothing on",
      [event("s", in: "T", stream: "$sys", eventClass: .system), event("a", cause: "s"), event("b", in: "T")],
      traces: ["T": ["b"]], edges: []),
    scenario(
      "the correlation id of a system event makes no trace",
      [event("s", in: "a", stream: "$sys", eventClass: .system), event("a")], traces: [:], edges: []),
    scenario(
      "inherited within the source first",
      sources: [
        ("two", event("a", in: "T2", type: "a2")), ("one", event("a", in: "T1", type: "a1")),
        ("one", event("b", cause: "a")),
      ],
      traces: ["T1": ["a", "b"], "T2": ["a"]], edges: ["b<a1"], isOrdered: true),
    scenario(
      "inherited from another source", sources: [("two", event("a", in: "T")), ("one", event("b", cause: "a"))],
      traces: ["T": ["a", "b"]], edges: ["b<a"]),
    scenario(
      "an inheritor that heals an orphan and a root marker",
      [event("a", in: "T"), event("m", cause: "a"), event("o", in: "T", cause: "m"), event("z", in: "T", cause: "T")],
      traces: ["T": ["a", "m", "o", "z"]], edges: ["m<a", "o<m"]),
  ]
}
