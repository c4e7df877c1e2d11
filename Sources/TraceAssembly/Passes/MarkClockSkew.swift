internal import EventModel

/// Warns of events that were created before their cause. Times are shown as they are: nothing is shifted.
func markClockSkew(_ assembly: inout Assembly) {
  for record in assembly.parent.indices {
    if let latency = assembly.latency(record), latency < 0 { assembly.add(.clockSkew, to: record) }
  }
}
