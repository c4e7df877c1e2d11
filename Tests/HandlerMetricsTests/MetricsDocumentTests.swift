import EventModel
import HandlerMetrics
import Platform
import PrometheusText
import TestSupport
import Testing

/// `docs/METRICS.md`, made from the catalogue and the defaults.
private enum MetricsDocument {
  static func text() -> String {
    let options = MetricsOptions()
    let text = """
      # Metrics

      Made from `MetricCatalogue` (`CLEW_WRITE_DOCS=1 swift test --filter MetricsDocumentTests`). `GET /metrics` answers in text 0.0.4 or
      OpenMetrics 1.0, whichever `Accept` wants most; exemplars are in OpenMetrics only.

      ## Rules

      * **Absent is not 0.** What is not known, or does not apply, has no series: `clew_handler_inflight`, queue wait, processing and
        critical time exist for handlers that report, `clew_source_connected` for sources that are subscribed to.
      * **Zeros come first.** A new source or handler gets 0 for all its counters and reasons at once, so that `increase()` sees the first event.
      * **Counters begin at 0 with the process.** Open traces and runs in flight are read from the store at start.
      * **Live window.** Events created more than \(show(300)) s before they are read count in `clew_events_ingested_total` and
        `clew_events_backfilled_total`, and in no handler, trace or causality family (`live-window`; `all` lets everything count). A child that
        was live when it was read counts though its cause comes later.
      * **Every edge with a latency of 0 or more is observed**, however many reactions a cause has; negative latencies count in
        `clew_handler_clock_skew_total` alone.
      * **An execution is a (handler, cause event) pair**, and counts once; it fails once, by its first signal. A failure and a success of one
        pair make a retry (`redelivered`), the same reaction again (cause, type and stream) is one too (`duplicate_reaction`). A failure without
        a known cause counts with `event_type="_none"`, after the grace of \(show(options.orphanGraceSeconds)) s.
      * **Orphans** are counted when the log's time (or, where it stands still, the clock) is \(show(options.orphanGraceSeconds)) s past the event.
        `clew_causation_unresolved` falls when a cause comes after all; `clew_causation_orphans_total` does not.
      * **Traces** are closed after \(show(options.traceIdleSeconds)) s without an event, stuck after \(show(options.traceStuckSeconds)) s and timed out after
        \(show(options.traceDeadlineSeconds)) s. A closed trace that goes on is open again, and counts neither as started nor as closed a second time.
      * **Reports** for an event that is not stored wait \(show(options.orphanGraceSeconds)) s for it. A run that was started and says nothing more for
        \(show(options.leaseSeconds)) s has failed (`timeout`).
      * **Label values** are trimmed, an absent name is `_none`, and what is longer than 128 bytes is cut and marked with a hash.

      """
    return text + "\n" + bounds(options) + histogramsAndFamilies(options)
  }

  private static func bounds(_ options: MetricsOptions) -> String {
    """
    ## Bounds

    What does not fit is counted under `_overflow`: sums stay right, `clew_metric_overflow_total` says how much was folded.

    | what | bound |
    | --- | ---: |
    | sources | \(options.sourcesMax) |
    | (service, handler) pairs; both labels are folded | \(options.handlersMax) |
    | event types of a source | \(options.eventTypesPerSourceMax) |
    | label sets of a family with `event_type`; the type is folded first | \(options.labelSetsMax) |
    | label sets of `clew_causal_edges_total`; the effect's type is folded first | \(options.edgeLabelSetsMax) |
    | root types of `clew_trace_duration_seconds` | \(options.rootTypesMax) |
    | schema versions of a type | \(options.versionsPerTypeMax) |
    | (handler, cause) pairs remembered | \(options.executionsMax) |
    | children that wait for their cause, here | \(options.waitingMax) |
    | open traces | \(options.openTracesMax) |
    | reports that wait; runs remembered | \(options.waitingReportsMax); \(options.runsMax) |

    `clew_state_evictions_total` counts what bounded tables gave up.

    ## Bounds of histograms

    | family | seconds |
    | --- | --- |

    """
  }

  private static func histogramsAndFamilies(_ options: MetricsOptions) -> String {
    var text = ""
    for family in MetricCatalogue.all where family.kind == .histogram {
      text += "| `\(family.name)` | \(options.bounds(family.name).map(show).joined(separator: " ")) |\n"
    }
    text += "\n## Families\n\n| name | type | labels | help |\n| --- | --- | --- | --- |\n"
    for family in MetricCatalogue.all {
      let labels = family.labels.map { "`\($0)`" }.joined(separator: ", ")
      text += "| `\(family.name)` | \(family.kind) | \(labels) | \(family.help) |\n"
    }
    return text
  }

  private static func show(_ number: Double) -> String {
    number == number.rounded() ? "\(Int(number))" : "\(number)"
  }
}

@Suite("Document of the metrics") struct MetricsDocumentTests {
  @Test func `the document in docs is the one that is made from the catalogue`() throws {
    let path = TestSupport.packageRoot + "/docs/METRICS.md"
    let text = MetricsDocument.text()
    if TestSupport.environment("CLEW_WRITE_DOCS") == "1" {
      try Files.replaceAtomically(path, with: Array(text.utf8))
    }
    let written = String(decoding: try Files.read(path, bytesMax: 1 << 20), as: UTF8.self)
    #expect(written == text, "CLEW_WRITE_DOCS=1 swift test --filter MetricsDocumentTests writes it")
  }
}
