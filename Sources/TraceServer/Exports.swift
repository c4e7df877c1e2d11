import EventModel
import HTTPServer
import Platform
import TraceAssembly
import TraceStore
import WireFormats

/// Bytes of lines that are sent in one piece.
private let pieceBytes = 64 * 1024

extension ClewAPI {
  func exportEvents() throws(APIError) -> HTTPResponse {
    let pass = try exports.enter()
    let cursor = try reading { () throws(StoreError) in try reader.makeEventCursor(after: 0) }
    var json = JSONWriter(reserving: pieceBytes * 2)
    return lines { chunks in
      defer { withExtendedLifetime(pass) {} }
      var piece: [UInt8] = []
      while piece.count < pieceBytes, !chunks.isCancelled {
        let events = try cursor.next(limit: 256)
        if events.isEmpty { break }
        for event in events {
          json.removeAll()
          json.inputForm(event)
          json.append(to: &piece)
          piece.append(0x0a)
        }
      }
      return piece.isEmpty ? nil : piece
    }
  }

  func exportTraces() throws(APIError) -> HTTPResponse {
    try sortedExport { contents, sorter in
      let summary = TraceSummary(of: contents)
      guard summary.eventCount > 0 else { return }
      var json = JSONWriter(reserving: 512)
      json.object { $0.summary(summary) }
      try sorter.add(key: summary.correlation.shownBytes, value: json.bytes)
    }
  }

  func exportEdges() throws(APIError) -> HTTPResponse {
    var json = JSONWriter(reserving: 512)
    return try sortedExport { contents, sorter in
      let tree = TraceTree.assemble(contents)
      for place in tree.places {
        guard let parent = tree.parent(at: place) else { continue }
        let (child, cause) = (tree.record(at: place).id.shownBytes, tree.record(at: parent).id.shownBytes)
        json.removeAll()
        json.object {
          $0.key("childId")
          $0.string(child)
          $0.key("parentId")
          $0.string(cause)
        }
        try sorter.add(key: sortKey(child, cause), value: json.bytes)
      }
    }
  }

  /// Walks over all traces, then gives the lines that `body` made of each, sorted by their keys.
  private func sortedExport(
    _ body: @escaping (TraceContents, ExternalSorter) throws -> Void
  ) throws(APIError) -> HTTPResponse {
    let pass = try exports.enter()
    let sorter = ExternalSorter(directory: options.temporaryDirectory, memoryBytesMax: options.sortMemoryBytes)
    var sorted: SortedRecords?
    return lines { [reader] chunks in
      defer { withExtendedLifetime(pass) {} }
      if sorted == nil {
        var failure: (any Error)?
        try reader.traces(in: .all, after: nil) { contents in
          do { try body(contents, sorter) } catch { failure = error }
          return failure == nil && !chunks.isCancelled ? .proceed : .stop
        }
        if let failure { throw failure }
        if chunks.isCancelled { return nil }
        sorted = try sorter.finish()
      }
      var piece: [UInt8] = []
      while piece.count < pieceBytes, let record = try sorted?.next() {
        piece += record.value
        piece.append(0x0a)
      }
      return piece.isEmpty ? nil : piece
    }
  }

  private func lines(_ step: @escaping (ExportChunks) throws -> [UInt8]?) -> HTTPResponse {
    HTTPResponse(
      status: 200, headers: [("content-type", "application/x-ndjson")], body: .chunks(ExportChunks(log: log, step)))
  }
}

/// Two byte strings as one that sorts like the pair: zeros of the first are escaped, two zeros end it.
func sortKey(_ first: [UInt8], _ second: [UInt8]) -> [UInt8] {
  var key: [UInt8] = []
  key.reserveCapacity(first.count + second.count + 2)
  for byte in first {
    key.append(byte)
    if byte == 0 { key.append(0xff) }
  }
  key += [0, 0]
  return key + second
}

extension JSONWriter {
  /// An event in the form in which it is read: import and POST take it again.
  mutating func inputForm(_ event: StoredEvent) {
    object { json in
      json.member("id", event.id as Identifier?)
      if !event.stream.isEmpty { json.member("stream", event.stream) }
      json.member("type", event.type)
      json.member("created", event.created as Timestamp?)
      if let revision = event.revision { json.member("revision", revision) }
      json.payload("data", event.data)
      json.payload("metadata", event.metadata)
    }
  }
}
