import CMalloc

/// What the allocator keeps of memory that nobody uses.
public enum ProcessMemory {
  /// At most so many pools of memory for all threads together. The default, eight a core, leaves a server that answers
  /// on many threads with as many half-used pools. Call before the first thread is started.
  public static func limitPools(_ count: Int32) { _ = mallopt(M_ARENA_MAX, count) }

  /// Blocks of 4 MiB and more come from the system and go back to it when they are freed, and a pool keeps at most 2 MiB
  /// at its end that nobody uses. By default both bounds rise, up to 32 and 64 MiB, with each large block that is freed:
  /// one big answer, and a server keeps what it took.
  public static func returnPromptly() {
    _ = mallopt(M_MMAP_THRESHOLD, 4 << 20)
    _ = mallopt(M_TRIM_THRESHOLD, 2 << 20)
  }

  /// Gives what is free back to the system: after work that needed much memory for a while. Some milliseconds.
  public static func returnUnused() { _ = malloc_trim(0) }
}
