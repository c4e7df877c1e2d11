import EventModel
import Glibc
import TestSupport
import Testing

@testable import Platform

@Suite("Platform") struct PlatformTests {
  @Test func `a queue keeps order, waits while full, and ends when closed`() {
    let queue = BoundedQueue<Int>(capacity: 4)
    let producer = WorkerThread(name: "producer") {
      for number in 0..<1000 { _ = queue.push(number) }
      queue.close()
    }
    var seen: [Int] = []
    while let some = queue.pop(limit: 3) {
      #expect(some.count <= 3)
      #expect(queue.count <= 4)
      seen += some
    }
    producer.join()
    #expect(seen == Array(0..<1000))
    #expect(!queue.push(1))
    #expect(!queue.tryPush(1))
  }

  @Test func `a queue that is full refuses at once when asked so, and an empty one gives up at the deadline`() {
    let queue = BoundedQueue<Int>(capacity: 1)
    #expect(queue.pop(limit: 1, until: Instant.now.advanced(bySeconds: 0.01)) == [])
    #expect(queue.tryPush(1))
    #expect(!queue.tryPush(2))
    #expect(queue.pop(limit: 5) == [1])
  }

  @Test func `a lock keeps counts of many threads`() {
    let count = Locked(0)
    let threads = (0..<8).map { index in
      WorkerThread(name: "adder \(index)") {
        for _ in 0..<10_000 { count.withLock { $0 += 1 } }
      }
    }
    for thread in threads {
      thread.join()
      thread.join()
    }
    #expect(count.withLock { $0 } == 80_000)
  }

  @Test func `a waiter wakes when told and at its deadline`() {
    let lock = Lock()
    let ready = Locked(false)
    let waiter = WorkerThread(name: "waiter") {
      lock.withLock {
        while !ready.withLock({ $0 }) { lock.wait() }
      }
    }
    ready.withLock { $0 = true }
    lock.withLock { lock.wakeAll() }
    waiter.join()
    let before = Instant.now
    lock.withLock {
      while lock.wait(until: before.advanced(bySeconds: 0.05)) {}
    }
    #expect(Instant.now.seconds(since: before) >= 0.05)
  }

  @Test func `a file is replaced whole, and errors name operation, path and reason`() throws {
    let directory = try TemporaryDirectory("files")
    let path = directory.file("a/b/c.txt")
    #expect(throws: FileError.self) { try Files.replaceAtomically(path, with: [1]) }
    try Files.makeDirectory(directory.file("a/b"))
    try Files.makeDirectory(directory.file("a/b"))
    try Files.replaceAtomically(path, with: [1, 2, 3])
    try Files.replaceAtomically(path, with: [4])
    #expect(try Files.read(path, bytesMax: 10) == [4])
    #expect(try Files.list(directory.file("a/b")) == ["c.txt"])
    #expect(throws: FileError.self) { try Files.read(path, bytesMax: 0) }
    try Files.remove(path)
    try Files.remove(path)
    do {
      _ = try Files.status(path)
      Issue.record("the file is gone")
    } catch {
      #expect(error.isNotFound)
      #expect(error.description == "cannot examine \(path): No such file or directory")
    }
  }

  @Test func `a file is locked against a second holder, in the same process too`() throws {
    let directory = try TemporaryDirectory("lock")
    let first = try FileDescriptor.create(directory.file("lock"))
    let second = try FileDescriptor.openForReading(directory.file("lock"))
    #expect(try first.tryLockExclusively())
    #expect(try !second.tryLockExclusively())
    first.close()
    #expect(try second.tryLockExclusively())
  }

  @Test func `a lock that is given back is free although a copy of the descriptor is open`() throws {
    let directory = try TemporaryDirectory("lock")
    let first = try FileDescriptor.create(directory.file("lock"))
    let second = try FileDescriptor.openForReading(directory.file("lock"))
    #expect(try first.tryLockExclusively())
    let copy = dup(first.number)  // as a process has it between fork and exec
    defer { Glibc.close(copy) }
    try first.unlock()
    first.close()
    #expect(try second.tryLockExclusively())
  }

  @Test(
    arguments: [
      ("Name:\tclew\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n", 2), ("Cpus_allowed:\tff,00000001\n", 9),
      ("Cpus_allowed:\t0\n", nil), ("Cpus_allowed:\tx\n", nil), ("", nil),
    ] as [(String, Int?)])
  func `the processors that a thread may run on are counted`(status: String, count: Int?) {
    #expect(Processors.allowed(status: status) == count)
    #expect(CurrentProcess.coreCount >= 1)
  }

  @Test(
    arguments: [
      ("0::/\n", ["/sys/fs/cgroup/cpu.max": "150000 100000\n"], 2),
      ("0::/a/b\n", ["/sys/fs/cgroup/a/cpu.max": "50000 100000", "/sys/fs/cgroup/a/b/cpu.max": "400000 100000"], 1),
      ("0::/a\n", ["/sys/fs/cgroup/a/cpu.max": "max 100000\n"], nil),
      ("0::/a\n", ["/sys/fs/cgroup/a/cpu.max": "rubbish"], nil),
      (
        "4:memory:/x\n3:cpu,cpuacct:/x\n",
        ["/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000", "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000"], 3
      ),
      (
        "3:cpu:/\n", ["/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"],
        nil
      ),
      ("", [:], nil),
    ] as [(String, [String: String], Int?)])
  func `the smallest quota of a control group and those above it counts`(
    groups: String, files: [String: String], processors: Int?
  ) {
    #expect(Processors.smallestQuota(groups: groups) { files[$0] } == processors)
  }

  @Test func `no input breaks a line of the log, and a flood is cut`() {
    let lines = Locked<[String]>([])
    let log = Log(minimum: .info, clock: TestClock(Timestamp(nanoseconds: 1_769_860_800_000_000_000))) { line in
      lines.withLock { $0.append(line) }
    }
    log.debug("part", "not shown")
    log.warning("part", "a\nb\r\u{1b}[31m\u{202E}\u{2028}c \(String(repeating: "x", count: 5000))")
    let first = lines.withLock { $0[0] }
    #expect(first.hasPrefix("2026-01-31T12:00:00Z warning part: a\\u{a}b\\u{d}\\u{1b}[31m\\u{202e}\\u{2028}c "))
    #expect(first.utf8.count <= 2000)
    #expect(first.dropLast().allSatisfy { !$0.isNewline })
    for _ in 0..<50 { log.limitedWarning("flood", "again") }
    #expect(lines.withLock { $0.filter { $0.contains("flood") }.count } <= 21)
  }
}
