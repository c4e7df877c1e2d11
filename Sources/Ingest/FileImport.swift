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
  ///   - waitsForSpace: with a full disk, try again until there is room or `isCancelled`: for inputs that cannot be
  ///     read twice. Batches that were refused are then stored behind those that were not. False: the import ends.
  ///   - progress: called after each stored batch, on this thread.
  ///   - isCancelled: asked after each batch.
  public func importEvents(
    from reader: EventFileReader, source: String = "default", waitsForSpace: Bool = false,
    isCancelled: () -> Bool = { false }, progress: (ImportProgress) -> Void = { _ in }
  ) -> ImportResult {
    var result = ImportResult(counts: IngestCounts(), failure: nil)
    registry.update(SourceStatus(name: source, kind: .input, state: .catchingUp), source) { _ in }
    metrics?.addSource(source)
    var pending: [PendingImport] = []
    // Asked between attempts at a full disk.
    func endsWaiting() -> Bool { !waitsForSpace || isCancelled() }
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
          if pending.count >= limits.importAheadMax {
            try settleImported(pending.removeFirst(), source, &result.counts, endsWaiting)
          }
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
    for batch in pending {
      do throws(IngestError) { try settleImported(batch, source, &result.counts, endsWaiting) } catch {
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

  /// A batch on its way, with its events for as long as it may have to be sent again.
  private struct PendingImport {
    var ticket: Ticket<AppendedBatch>
    var events: EventBatch
  }

  private func enqueueImported(_ events: EventBatch, _ source: String) throws(IngestError) -> PendingImport {
    // Not synced one by one: the import syncs once, before it says what was stored.
    switch enqueue(
      SourceBatch(source: source, events: events, identity: .eventID, durability: .process), until: nil)
    {
    case .success(let ticket): return PendingImport(ticket: ticket, events: events)
    case .failure: throw .store(Self.closed)
    }
  }

  private func settleImported(
    _ batch: PendingImport, _ source: String, _ counts: inout IngestCounts, _ endsWaiting: () -> Bool
  ) throws(IngestError) {
    var batch = batch
    var backoff = Backoff(secondsMin: limits.retrySecondsMin, secondsMax: limits.retrySecondsMax)
    while true {
      do throws(StoreError) {
        let outcome = try batch.ticket.wait().outcome
        counts.accepted += outcome.accepted.count
        counts.duplicate += outcome.duplicateCount
        counts.conflict += outcome.conflictCount
        return
      } catch {
        guard error.code == .diskFull, waitForSpace(backoff.next(), endsWaiting) else {
          throw .store(error)
        }
      }
      batch = try enqueueImported(batch.events, source)
    }
  }

  /// Waits before the next attempt; false if there shall be none.
  private func waitForSpace(_ seconds: Double, _ endsWaiting: () -> Bool) -> Bool {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    let lock = Lock()
    while Instant.now < deadline {
      if endsWaiting() { return false }
      let next = min(deadline, Instant.now.advanced(bySeconds: 0.2))
      lock.withLock { _ = lock.wait(until: next) }
    }
    return !endsWaiting()
  }
}
