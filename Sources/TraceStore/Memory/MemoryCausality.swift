internal import EventModel

/// Which trace each event belongs to, and which event is its cause: a pure function of all stored events, kept up to
/// date as events are added. Events are named by their index, which is their ordinal less one.
struct MemoryCausality {
  struct Node {
    var source: Int
    var id: Identifier
    /// The correlation id the event carries itself.
    var ownCorrelation: Identifier?
    /// Nil for a span id as well: that is no cause.
    var cause: Identifier?
    var hasSpanCause: Bool
    /// Of a stream or type that is no system's, and no report: may belong to a trace.
    var isDomain: Bool

    /// The trace it belongs to.
    var trace: Identifier?
    /// The cause, if it is an event of the same trace.
    var parent: Int?
    /// The edge to the parent is cut, because it lies on a cycle and the parent is its last stored member.
    var isCut = false
    /// How many nodes have this one as their parent.
    var childCount = 0
  }

  private(set) var nodes: [Node] = []
  /// Events of each trace, by ordinal.
  private(set) var membersByTrace: [Identifier: [Int]] = [:]
  /// Stored events of each id, whatever their class, by ordinal.
  private(set) var nodesByID: [Identifier: [Int]] = [:]
  /// Domain events that name this id as their cause, by ordinal.
  private(set) var effectsByCause: [Identifier: [Int]] = [:]
  /// Correlation ids that a domain event carries.
  private var carried: Set<Identifier> = []
  /// Of the nodes whose edge may have changed during one `add`: whether they had one before.
  private var hadEdge: [Int: Bool] = [:]

  /// Adds the event with the next index.
  ///
  /// - Returns: the nodes that have an edge now and had none before, by index.
  mutating func add(_ node: Node) -> [Int] {
    let index = nodes.count
    nodes.append(node)
    nodesByID[node.id, default: []].append(index)
    hadEdge = [index: false]
    guard node.isDomain else { return settle(mayMove: inheritors(of: node.id), dirty: []) }

    if let cause = node.cause { effectsByCause[cause, default: []].append(index) }
    var mayMove = inheritors(of: node.id) + [index]
    if let own = node.ownCorrelation, carried.insert(own).inserted {
      mayMove += (nodesByID[own] ?? []).filter { nodes[$0].isDomain && nodes[$0].ownCorrelation == nil }
    }
    return settle(mayMove: mayMove, dirty: [index])
  }

  func hasEdge(_ index: Int) -> Bool { nodes[index].parent != nil && !nodes[index].isCut }

  /// The first stored event of an id in a trace: the one that counts.
  func representative(of id: Identifier, in trace: Identifier) -> Int? {
    (nodesByID[id] ?? []).first { nodes[$0].trace == trace }
  }

  func isRepresentative(_ index: Int) -> Bool {
    guard let trace = nodes[index].trace else { return false }
    return representative(of: nodes[index].id, in: trace) == index
  }

  /// How the cause stands now; asked right after `add`, this is the state at the moment of storing.
  func causeState(_ index: Int) -> CauseState {
    let node = nodes[index]
    if !node.isDomain || (node.trace != nil && !isRepresentative(index)) { return .none }
    if node.hasSpanCause { return .span }
    guard let cause = node.cause else { return .root }
    let elsewhere = (nodesByID[cause] ?? []).contains { $0 != index }
    guard let trace = node.trace else {
      return elsewhere ? .none : cause == node.id ? .itself : .unresolved
    }
    if node.parent != nil {
      return node.isCut || cycle(through: index)?.max() == index ? .cycle : .resolved
    }
    if cause == trace { return .root }
    if cause == node.id { return .itself }
    return elsewhere ? .otherTrace : .unresolved
  }

  // MARK: Traces

  /// Events without a correlation of their own that name `id` as their cause.
  private func inheritors(of id: Identifier) -> [Int] {
    (effectsByCause[id] ?? []).filter { nodes[$0].ownCorrelation == nil }
  }

  /// Whom an event inherits from: its cause in its own source, else anywhere, the first stored one.
  private func benefactor(of index: Int) -> Int? {
    guard let cause = nodes[index].cause else { return nil }
    let candidates = (nodesByID[cause] ?? []).filter { $0 != index }
    return candidates.first { nodes[$0].source == nodes[index].source } ?? candidates.first
  }

  /// Applies the three rules to one event, taking what its cause's trace is at the moment.
  private func trace(of index: Int) -> Identifier? {
    let node = nodes[index]
    if !node.isDomain { return nil }
    if let own = node.ownCorrelation { return own }
    if carried.contains(node.id) { return node.id }
    return benefactor(of: index).flatMap { nodes[$0].trace }
  }

  /// Moves events to where they belong now, what inherits from them as well, and then draws their edges again.
  private mutating func settle(mayMove: [Int], dirty: Set<Int>) -> [Int] {
    var pending = mayMove
    var dirty = dirty
    // An id that is stored again may change from whom others inherit, which could leave a ring of events that
    // inherit from each other what nobody gives them any more: then everything is worked out from nothing.
    if let last = nodes.last, (nodesByID[last.id] ?? []).count > 1, !inheritors(of: last.id).isEmpty {
      for index in nodes.indices where nodes[index].isDomain && nodes[index].ownCorrelation == nil {
        if nodes[index].trace != nil { move(index, to: nil, &dirty) }
        pending.append(index)
      }
    }
    while let index = pending.popLast() {
      let trace = trace(of: index)
      if trace == nodes[index].trace { continue }
      move(index, to: trace, &dirty)
      pending += inheritors(of: nodes[index].id)
    }
    for index in dirty.sorted() { link(index) }
    return hadEdge.filter { !$0.value && hasEdge($0.key) }.keys.sorted()
  }

  private mutating func move(_ index: Int, to trace: Identifier?, _ dirty: inout Set<Int>) {
    if let old = nodes[index].trace {
      var members = membersByTrace[old] ?? []
      membersByTrace[old] = nil
      members.remove(at: Self.place(of: index, in: members))
      if !members.isEmpty { membersByTrace[old] = members }
    }
    nodes[index].trace = trace
    if let trace {
      var members = membersByTrace[trace] ?? []
      membersByTrace[trace] = nil
      let isLast = members.last.map { $0 < index } ?? true
      members.insert(index, at: isLast ? members.count : Self.place(of: index, in: members))
      membersByTrace[trace] = members
    }
    dirty.insert(index)
    dirty.formUnion(effectsByCause[nodes[index].id] ?? [])
    dirty.formUnion((nodesByID[nodes[index].id] ?? []).filter { nodes[$0].isDomain })
  }

  /// The first place whose member is not below `index`.
  private static func place(of index: Int, in members: [Int]) -> Int {
    var low = 0
    var high = members.count
    while low < high {
      let middle = (low + high) / 2
      if members[middle] < index { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: Edges

  /// Draws the edge of one event to its cause again.
  private mutating func link(_ index: Int) {
    var parent: Int?
    if let cause = nodes[index].cause, let trace = nodes[index].trace, isRepresentative(index) {
      parent = representative(of: cause, in: trace)
      if parent == index { parent = nil }
    }
    if parent == nodes[index].parent { return }
    remember(index)
    if let old = nodes[index].parent {
      for member in cycle(through: index) ?? [] {
        remember(member)
        nodes[member].isCut = false
      }
      nodes[old].childCount -= 1
    }
    nodes[index].parent = parent
    guard let parent else { return }
    nodes[parent].childCount += 1
    guard let members = cycle(through: index), let last = members.max() else { return }
    if let effect = members.first(where: { nodes[$0].parent == last }) {
      remember(effect)
      nodes[effect].isCut = true
    }
  }

  private mutating func remember(_ index: Int) {
    if hadEdge[index] == nil { hadEdge[index] = hasEdge(index) }
  }

  /// The members of the cycle an event lies on, from it upwards; nil if it lies on none.
  private func cycle(through index: Int) -> [Int]? {
    if nodes[index].childCount == 0 { return nil }
    var members: [Int] = []
    var seen: Set<Int> = []
    var current: Int? = index
    while let node = current, seen.insert(node).inserted {
      members.append(node)
      current = nodes[node].parent
    }
    return current == index ? members : nil
  }
}
