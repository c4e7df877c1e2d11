import EventModel
public import EventSource
import HandlerMetrics
import Platform
import TraceStore

extension IngestPipeline {
  /// Stores the events of a request's body; returns when they are durable.
  ///
  /// A bad line is refused alone. When this throws, part of the events may be stored: sending the same body again counts
  /// them as duplicates.
  ///
  /// - Parameters:
  ///   - contentType: the header's value, nil if there was none.
  ///   - rules: how to read them; nil takes those that were set for the source.
  public func ingestBody(
    _ body: [UInt8], contentType: String?, source: String = "default", rules: ReadingRules? = nil
  ) throws(IngestError) -> IngestCounts {
    let reader: EventBodyReader
    do throws(EventReadError) {
      reader = try EventBodyReader(
        body: body, contentType: contentType, rules: rules ?? self.rules(source: source), clock: clock)
    } catch {
      throw .unreadable(error)
    }
    registry.update(SourceStatus(name: source, kind: .push, state: .live), source) { _ in }
    metrics?.addSource(source)
    var counts = IngestCounts()
    var pending: [Ticket<AppendedBatch>] = []
    while let batch = reader.next() {
      counts.addRead(batch)
      if batch.events.isEmpty { continue }
      pending.append(
        try push(
          SourceBatch(source: source, events: batch.events, identity: .eventID, durability: .synced)))
      // One body must not fill the queue: its batches wait for each other.
      if pending.count >= limits.importAheadMax { try settle(pending.removeFirst(), &counts) }
    }
    for ticket in pending { try settle(ticket, &counts) }
    finish(counts, source)
    return counts
  }

  /// Stores what handlers report; returns when it is durable.
  ///
  /// - Parameter source: of reports that name none.
  public func ingestReports(
    _ body: [UInt8], contentType: String?, source: String = "default"
  ) throws(IngestError) -> IngestCounts {
    let read: HandlerReportReader.Outcome
    do throws(EventReadError) {
      read = try HandlerReportReader.read(body: body, contentType: contentType, source: source, clock: clock)
    } catch {
      throw .unreadable(error)
    }
    var counts = IngestCounts()
    counts.lines = read.lines
    counts.blank = read.blank
    for refusal in read.refusals { counts.addRefusal(refusal) }
    counts.refused = read.refused
    var reportsBySource: [(source: String, reports: [HandlerReport])] = []
    for report in read.reports {
      if let index = reportsBySource.firstIndex(where: { $0.source == report.source }) {
        reportsBySource[index].reports.append(report)
      } else {
        reportsBySource.append((report.source, [report]))
      }
    }
    for (source, reports) in reportsBySource { try ingest(reports, source, &counts) }
    return counts
  }

  private func ingest(
    _ reports: [HandlerReport], _ source: String, _ counts: inout IngestCounts
  ) throws(IngestError) {
    var events = EventBatch()
    for report in reports { report.append(to: &events) }
    let ticket = try push(
      SourceBatch(source: source, events: events, identity: .eventID, durability: .synced))
    let appended: AppendedBatch
    do throws(StoreError) { appended = try ticket.wait() } catch { throw .store(error) }
    counts.accepted += appended.outcome.accepted.count
    counts.duplicate += appended.outcome.duplicateCount
    counts.conflict += appended.outcome.conflictCount
    guard let metrics else { return }
    var causes: [Identifier: ReportedCause?] = [:]
    for (index, report) in reports.enumerated() where appended.outcome.dispositions[index] == .accepted {
      let cause = causes[report.cause] ?? reportedCause(report.cause, source: source)
      causes[report.cause] = .some(cause)
      metrics.record(report, cause: cause, arrival: appended.arrival)
    }
    // An event that was stored between the look-up and the report would not be noticed any more.
    for case (let id, .none) in causes {
      if let cause = reportedCause(id, source: source) { metrics.provide(cause, for: id.key) }
    }
  }

  /// The event a report names: of its own source first, then of any, the first stored one.
  func reportedCause(_ id: Identifier, source: String) -> ReportedCause? {
    guard let found = try? store.events(withID: id), !found.isEmpty else { return nil }
    let event = found.first { $0.source == source } ?? found[0]
    return ReportedCause(created: event.created, type: event.type, correlation: event.correlation)
  }

  private func push(_ batch: SourceBatch) throws(IngestError) -> Ticket<AppendedBatch> {
    switch enqueue(batch, until: Instant.now.advanced(bySeconds: limits.pushWaitSeconds)) {
    case .success(let ticket): return ticket
    case .failure(.closed): throw .store(Self.closed)
    case .failure(.full):
      metrics?.recordDropped(batch.events.count, .overload, source: batch.source)
      throw .overloaded
    }
  }

  private func settle(_ ticket: Ticket<AppendedBatch>, _ counts: inout IngestCounts) throws(IngestError) {
    do throws(StoreError) {
      let outcome = try ticket.wait().outcome
      counts.accepted += outcome.accepted.count
      counts.duplicate += outcome.duplicateCount
      counts.conflict += outcome.conflictCount
    } catch {
      throw .store(error)
    }
  }

  /// Adds what a body brought to its source's state and counters.
  private func finish(_ counts: IngestCounts, _ source: String) {
    metrics?.recordDropped(counts.refused, .decode, source: source)
    let now = clock.now()
    registry.update(SourceStatus(name: source, kind: .push, state: .live), source) { status in
      status.accepted += counts.accepted
      status.duplicate += counts.duplicate
      status.conflict += counts.conflict
      status.refused += counts.refused
      status.lastReadAt = now
    }
  }
}
