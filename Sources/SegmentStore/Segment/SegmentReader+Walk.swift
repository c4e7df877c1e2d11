import EventModel
import SegmentBlocks
import TraceStore

// How blocks are walked over, whatever their version.

extension SegmentReader {
  /// Every event whose id has this key, in the order of blocks.
  ///
  /// - Parameter identifier: which of those that share the key, if others need not come.
  func forEachEvent(
    withIDKey key: IdentifierKey, of identifier: Identifier? = nil,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    guard mayContain(eventID: key) else { return }
    let numbers = try candidates(.eventID, key)
    for number in numbers {
      if try !deserves(.eventID, key, identifier, block: number, of: numbers) { continue }
      let block = try self.block(number)
      let next = try walk(
        block, find: { $0.events(withID: key, $1) }, where: { $0.idKey == key }, body)
      if next == .stop { return }
    }
  }

  /// Every event of the traces with this key, by ordinal (different texts may share a key, which is as unlikely as two
  /// equal UUIDs).
  func forEachEvent(
    ofTraceKey key: IdentifierKey, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    guard mayContain(correlation: key) else { return }
    let numbers = try candidates(ofTrace: { $0.key == key }, key)
    for number in numbers where try deserves(.correlation, key, nil, block: number, of: numbers) {
      let block = try self.block(number)
      for (index, run) in block.runs.enumerated() where run.key == key && run.trace != nil {
        if try walk(block, index, body) == .stop { return }
      }
    }
  }

  /// Every event that names a cause with this key and is not in one trace with it; some others may come, too.
  ///
  /// - Parameter identifier: which of those that share the key, if others need not come.
  func forEachEvent(
    causedByOutsideKey key: IdentifierKey, of identifier: Identifier? = nil,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    guard mayContain(outsideCause: key) else { return }
    let numbers = try candidates(.outsideCause, key)
    for number in numbers {
      if try !deserves(.outsideCause, key, identifier, block: number, of: numbers) { continue }
      let block = try self.block(number)
      let next = try walk(
        block, find: { $0.events(withForeignCause: key, $1) }, where: { $0.causeKey == key }, body)
      if next == .stop { return }
    }
  }

  /// Events of a block that pass a test: of version 1 every event is tried, of version 3 those that are found by id.
  func walk(
    _ block: DecodedBlock, find: (BlockData, SegmentKinds) -> [Int], where matches: (EventView) -> Bool,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    guard case .columns(let data) = block.content else {
      return try walkAll(block) { (event, trace) throws(StoreError) in
        matches(event) ? try body(event, trace) : .proceed
      }
    }
    let found = find(data, try resources.kinds().table)
    var start = 0
    while start < found.count {
      let run = data.run(of: found[start])
      let events = data.head.runs[run].events
      var end = start + 1
      while end < found.count, events.contains(found[end]) { end += 1 }
      let next = try withFrames(block, data, run, found[start]...found[end - 1]) { (frames) throws(StoreError) in
        for place in found[start..<end] {
          let next = try frames.withEvent(at: place) { (event) throws(StoreError) in
            matches(event) ? try body(event, block.runs[run].trace) : .proceed
          }
          if next == .stop { return Walk.stop }
        }
        return .proceed
      }
      if next == .stop { return .stop }
      start = end
    }
    return .proceed
  }

  /// Every event of one run; without payloads metadata and data may be empty.
  func walk(
    _ block: DecodedBlock, _ index: Int, payloads: Bool = true,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    let run = block.runs[index]
    switch block.content {
    case .frames(let rows):
      for event in run.events {
        let next = try rows.withEvent(at: event) { (view) throws(StoreError) in try body(view, run.trace) }
        if next == .stop { return .stop }
      }
      return .proceed
    case .columns(let data):
      return try withFrames(block, data, index, payloads: payloads) { (frames) throws(StoreError) in
        try walk(frames, run, body)
      }
    }
  }

  private func walk(
    _ frames: FrameMaker, _ run: DecodedBlock.Run, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    for event in run.events {
      let next = try frames.withEvent(at: event) { (view) throws(StoreError) in try body(view, run.trace) }
      if next == .stop { return .stop }
    }
    return .proceed
  }

  /// Every event of every run.
  func walkAll(
    _ block: DecodedBlock, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    try walkRuns(ofStream: nil, block, body)
  }

  /// Every event of every run that has events of a stream, or of every run; of a block of version 1 always of every run.
  func walkRuns(
    ofStream stream: [UInt8]?, _ block: DecodedBlock,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    guard case .columns(let data) = block.content else {
      for index in block.runs.indices where try walk(block, index, body) == .stop { return .stop }
      return .proceed
    }
    let tools = try resources.tools()
    return try cache.withWorkbench { (bench) throws(StoreError) in
      var failure: StoreError?
      var last = Walk.proceed
      func give(_ index: Int) {
        if last == .stop || failure != nil { return }
        do throws(StoreError) {
          last = try walk(bench.frames, block.runs[index], body)
        } catch { failure = error }
      }
      do throws(BlockError) {
        if let stream {
          unsafe try stream.withRawBytes { (name) throws(BlockError) in
            unsafe try bench.frames.make(
              runsOfStream: name, of: data, kinds: tools.kinds, dictionary: tools.dictionary, give)
          }
        } else {
          try bench.frames.makeAll(of: data, kinds: tools.kinds, dictionary: tools.dictionary, give)
        }
      } catch { throw damage("block \(block.number)", "\(error)") }
      if let failure { throw failure }
      return last
    }
  }

  private func withFrames(
    _ block: DecodedBlock, _ data: BlockData, _ run: Int, _ events: ClosedRange<Int>? = nil, payloads: Bool = true,
    _ body: (FrameMaker) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    let tools = try resources.tools()
    return try cache.withWorkbench { (bench) throws(StoreError) in
      do {
        try bench.frames.make(
          run: run, events: events, of: data, kinds: tools.kinds, dictionary: tools.dictionary, payloads: payloads)
      } catch { throw damage("block \(block.number)", "\(error)") }
      return try body(bench.frames)
    }
  }
}
