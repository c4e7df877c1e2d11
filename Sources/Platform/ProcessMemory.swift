import CMalloc

/// What the allocator keeps of memory that nobody uses.
public enum ProcessMemory {
  /// At most so many pools of memory for all threads together. The default, eight a core, leaves a server that answers
  /// on many threads with as many half-used pools. Call before the first thread is started.
  public static func limitPools(_ count: Int32) { _ = mallopt(M_ARENA_MAX, count) }

  /// Gives what is free back to the system: after work that needed much memory for a while. Some milliseconds.
  public static func returnUnused() { _ = malloc_trim(0) }
}
