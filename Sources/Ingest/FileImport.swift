import EventModel
public import EventSource
import HandlerMetrics
import Platform
import TraceStore

extension IngestPipeline {
  /// Reads a file or pipe to its end and stores its events; syncs before it returns.
  ///
  /// Reading runs a few batches ahead of storing. What was read before a failure or a cancellation is stored.
  ///
  /// - Parameters:
  ///   - progress: called after each stored batch, on this thread.
  ///   - isCancelled: asked after each batch.
  public func importEvents(
    from reader: EventFileReader, source: String = "default",
    isCancelled: () -> Bool = { false }, progress: (ImportProgress) -> Void = { _ in }
  ) -> ImportResult {
    var result = ImportResult(counts: IngestCounts(), failure: nil)
    registry.update(SourceStatus(name: source, kind: .input, state: .catchingUp), source) { _ in }
    metrics?.addSource(source)
    var pending: [Ticket<AppendedBatch>] = []
    func report() {
      progress(
        ImportProgress(counts: result.counts, bytesRead: reader.bytesRead, bytesTotal: reader.bytesTotal))
    }
    do throws(IngestError) {
      while let batch = try read(reader) {
        result.counts.addRead(batch)
        metrics?.recordDropped(batch.refused, .decode, source: source)
        if !batch.events.isEmpty {
          pending.append(try enqueueImported(batch.events, source))
          if pending.count >= limits.importAheadMax { try settleImported(pending.removeFirst(), &result.counts) }
        }
        report()
        if isCancelled() {
          result.wasCancelled = true
          break
        }
      }
    } catch {
      result.failure = error
    }
    for ticket in pending {
      do throws(IngestError) { try settleImported(ticket, &result.counts) } catch {
        result.failure = result.failure ?? error
      }
    }
    do throws(StoreError) { try sync() } catch { result.failure = result.failure ?? .store(error) }
    report()
    let counts = result.counts
    let now = clock.now()
    registry.update(SourceStatus(name: source, kind: .input, state: .stopped), source) { status in
      status.state = .stopped
      status.accepted += counts.accepted
      status.duplicate += counts.duplicate
      status.conflict += counts.conflict
      status.refused += counts.refused
      status.lastReadAt = now
    }
    return result
  }

  private func read(_ reader: EventFileReader) throws(IngestError) -> ReadBatch? {
    do throws(EventReadError) { return try reader.next() } catch { throw .unreadable(error) }
  }

  private func enqueueImported(_ events: EventBatch, _ source: String) throws(IngestError) -> Ticket<AppendedBatch> {
    // Not synced one by one: the import syncs once, before it says what was stored.
    switch enqueue(
      SourceBatch(source: source, events: events, identity: .eventID, durability: .process), until: nil)
    {
    case .success(let ticket): return ticket
    case .failure: throw .store(Self.closed)
    }
  }

  private func settleImported(
    _ ticket: Ticket<AppendedBatch>, _ counts: inout IngestCounts
  ) throws(IngestError) {
    do throws(StoreError) {
      let outcome = try ticket.wait().outcome
      counts.accepted += outcome.accepted.count
      counts.duplicate += outcome.duplicateCount
      counts.conflict += outcome.conflictCount
    } catch {
      throw .store(error)
    }
  }
}
