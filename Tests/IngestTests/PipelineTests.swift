import EventModel
import EventSource
import HandlerMetrics
import Ingest
import Platform
import PrometheusText
import TestSupport
import Testing
import TraceStore

@Suite("Pipeline") struct PipelineTests {
  @Test func `what many threads submit is stored once each, several batches in one transaction`() throws {
    let bench = try Bench()
    let plug = bench.hold()
    let accepted = Locked(0)
    let threads = (0..<8).map { thread in
      WorkerThread(name: "sender-\(thread)") {
        for index in 0..<20 {
          let batch = SourceBatch([TestEvent("\(thread)-\(index)", trace: "t\(thread)")])
          if let outcome = try? bench.pipeline.submit(batch) {
            accepted.withLock { $0 += outcome.accepted.count }
          }
        }
      }
    }
    #expect(eventually { bench.pipeline.status.queuedBatches == 8 })
    bench.release()
    for thread in threads + [plug] { thread.join() }
    #expect(accepted.withLock { $0 } == 160)
    #expect(bench.store.lastOrdinal == 161)
    #expect(bench.store.counted.largestGroup >= 8)
    #expect(bench.page().sum("clew_events_ingested_total", ["source": "default"]) == 160)
  }

  @Test func `a stop stores everything that was accepted, syncs, and refuses what comes later`() throws {
    let bench = try Bench()
    let plug = bench.hold()
    let stored = Locked(0)
    let senders = (0..<5).map { index in
      WorkerThread(name: "sender-\(index)") {
        if (try? bench.pipeline.submit(SourceBatch([TestEvent("e\(index)", trace: "t")]))) != nil {
          stored.withLock { $0 += 1 }
        }
      }
    }
    #expect(eventually { bench.pipeline.status.queuedBatches == 5 })
    let stopper = WorkerThread(name: "stopper") { bench.pipeline.stop() }
    #expect(eventually { bench.pipeline.status.isStopped })
    bench.release()
    stopper.join()
    for sender in senders + [plug] { sender.join() }
    #expect(stored.withLock { $0 } == 5)
    #expect(bench.store.lastOrdinal == 6)
    #expect(bench.store.counted.syncCalls >= 1)
    let error = #expect(throws: StoreError.self) {
      _ = try bench.pipeline.submit(SourceBatch([TestEvent("late", trace: "t")]))
    }
    #expect(error?.code == .closed)
  }

  @Test func `a batch that is refused does not cost the others of its group`() throws {
    let bench = try Bench()
    let plug = bench.hold()
    bench.store.change { $0.poisonedSource = "bad" }
    let stored = Locked<[String]>([])
    let senders = ["a", "bad", "b"].map { source in
      WorkerThread(name: source) {
        if (try? bench.pipeline.submit(SourceBatch([TestEvent("e", trace: "t")], source: source))) != nil {
          stored.withLock { $0.append(source) }
        }
      }
    }
    #expect(eventually { bench.pipeline.status.queuedBatches == 3 })
    bench.release()
    for sender in senders + [plug] { sender.join() }
    #expect(stored.withLock { $0.sorted() } == ["a", "b"])
    // What is wrong with one batch is no state of the pipeline.
    #expect(bench.pipeline.status.isAcknowledging)
  }

  @Test func `a full disk stops acknowledging and the pipeline resumes by itself`() throws {
    let bench = try Bench()
    bench.store.change { $0.appendError = FaultyStore.full }
    #expect(throws: IngestError.self) {
      _ = try bench.pipeline.ingestBody(Array(line("a").utf8), contentType: nil)
    }
    #expect(bench.pipeline.status.isAcknowledging == false)
    #expect(bench.pipeline.status.notReadyReasons == ["not storing events: the disk is full (free some space)"])
    #expect(bench.page()["clew_ingest_acknowledging"] == 0)
    #expect(bench.page()["clew_ingest_store_failures_total"] ?? 0 >= 1)
    bench.store.change { $0.appendError = nil }
    // Nobody sends anything: the clock thread finds out.
    #expect(eventually { bench.pipeline.status.isAcknowledging })
    #expect(bench.pipeline.status.notReadyReasons == [])
    #expect(eventually { bench.page()["clew_ingest_acknowledging"] == 1 })
    // What it wrote to find out is gone, and nothing that was refused is stored.
    #expect(bench.store.lastOrdinal == 0)
    #expect(try bench.store.checkpoints(ofSource: "default").allSatisfy { $0.token.isEmpty })
    #expect(try bench.pipeline.ingestBody(Array(line("a").utf8), contentType: nil).accepted == 1)
  }

  @Test func `a queue that stays full tells the sender to come again`() throws {
    let bench = try Bench {
      $0.queueBatchesMax = 1
      $0.pushWaitSeconds = 0.05
    }
    let plug = bench.hold()
    let sender = WorkerThread(name: "sender") {
      _ = try? bench.pipeline.submit(SourceBatch([TestEvent("e", trace: "t")]))
    }
    #expect(eventually { bench.pipeline.status.queuedBatches == 1 })
    var overloaded = false
    do throws(IngestError) {
      _ = try bench.pipeline.ingestBody(Array(line("late").utf8), contentType: nil, source: "push")
    } catch {
      if case .overloaded = error { overloaded = true }
    }
    #expect(overloaded)
    #expect(bench.page()["clew_events_dropped_total{source=\"push\",reason=\"overload\"}"] == 1)
    bench.release()
    for thread in [plug, sender] { thread.join() }
  }

  @Test func `pages are whole while events are recorded, for two scrapers at once`() throws {
    let bench = try Bench()
    let isDone = Locked(false)
    let sender = WorkerThread(name: "sender") {
      for index in 0..<150 {
        let id = "\(index)"
        _ = try? bench.pipeline.submit(
          SourceBatch([
            TestEvent("c" + id, trace: "t" + id, handler: "h\(index % 7)"),
            TestEvent("r" + id, trace: "t" + id, cause: "c" + id, at: Int64(index), handler: "h\(index % 7)"),
          ]))
      }
      isDone.withLock { $0 = true }
    }
    let problems = Locked<[String]>([])
    let scrapers = (0..<2).map { scraper in
      WorkerThread(name: "scraper") {
        repeat {
          let page = bench.page(scraper == 0 ? .openMetrics : .text)
          if page.problems != [] { problems.withLock { $0 += page.problems } }
        } while !isDone.withLock { $0 }
      }
    }
    sender.join()
    for scraper in scrapers { scraper.join() }
    #expect(problems.withLock { $0 } == [])
    #expect(bench.page().sum("clew_handler_reaction_latency_seconds_count") == 150)
  }
}

@Suite("Metrics across a restart") struct RestartTests {
  @Test func `counters begin at 0, open traces and runs in flight are known`() throws {
    let store = FaultyStore()
    do {
      let first = try Bench(store: store)
      _ = try first.pipeline.ingestBody(Array((line("a") + line("b", cause: "a", at: 2)).utf8), contentType: nil)
      let report =
        "{\"handler\":\"billing\",\"service\":\"shop\",\"causeId\":\"a\",\"state\":\"started\",\"at\":\"2026-01-01T00:00:01Z\"}"
      #expect(try first.pipeline.ingestReports(Array(report.utf8), contentType: nil).accepted == 1)
      first.pipeline.stop()
    }
    let second = try Bench(
      store: store, clock: TestClock(TestEvent.epoch.advanced(byNanoseconds: 5_000_000_000)), restore: true)
    let page = second.page()
    #expect(page.sum("clew_events_ingested_total") == 0)
    #expect(page["clew_traces_open{source=\"default\"}"] == 1)
    #expect(page.sum("clew_handler_inflight") == 1)
    #expect(page.sum("clew_handler_executions_total") == 0)
  }
}
