import Glibc
import Platform
import TestSupport
import Testing

@testable import TraceServer

@Suite("Gates") struct GateTests {
  @Test func `callers are let in in the order in which they came`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 60, what: "tests")
    let order = Locked<[Int]>([])
    var threads: [WorkerThread] = []
    do {
      let pass = try gate.enter()
      for number in 0..<20 {
        threads.append(
          WorkerThread(name: "caller") {
            _ = try? gate.pass { () throws(APIError) in order.withLock { $0.append(number) } }
          })
        #expect(eventually { gate.figures.waiting == number + 1 })
      }
      withExtendedLifetime(pass) {}
    }
    for thread in threads { thread.join() }
    #expect(order.withLock { $0 } == Array(0..<20))
    #expect(gate.figures.waiting == 0)
    #expect(gate.figures.waits.bucketCounts.reduce(0, +) == 21)
  }

  @Test func `never more callers are inside than there are places`() throws {
    let gate = Gate("tests", places: 3, waitSeconds: 60, what: "tests")
    let inside = Locked((now: 0, most: 0, done: 0))
    let threads = (0..<12).map { _ in
      WorkerThread(name: "caller") {
        for _ in 0..<200 {
          try? gate.pass { () throws(APIError) in
            inside.withLock { state in
              state.now += 1
              state.most = max(state.most, state.now)
            }
            inside.withLock { state in
              state.now -= 1
              state.done += 1
            }
          }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(inside.withLock { $0.done } == 2_400)
    #expect(inside.withLock { $0.most } <= 3)
    #expect(gate.figures.waiting == 0)
  }

  @Test func `one that gave up is passed over`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 0.01, what: "tests")
    do {
      let pass = try gate.enter()
      #expect(throws: APIError.self) { try gate.enter() }
      withExtendedLifetime(pass) {}
    }
    #expect(gate.figures.refusals == 1)
    #expect(gate.figures.waiting == 0)
    #expect((try? gate.enter()) != nil)
  }

  @Test func `who works outside leaves the place to others and comes in behind them`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 60, what: "tests")
    let order = Locked<[String]>([])
    let pass = try gate.enter()
    let other = WorkerThread(name: "caller") {
      _ = try? gate.pass { () throws(APIError) in order.withLock { $0.append("other") } }
    }
    #expect(eventually { gate.figures.waiting == 1 })
    try pass.outside { () throws(APIError) in
      other.join()
      #expect((try? gate.enter()) != nil)
    }
    order.withLock { $0.append("first") }
    #expect(order.withLock { $0 } == ["other", "first"])
  }

  @Test func `a pass that could not come in again gives nothing back`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 0.01, what: "tests")
    let other = Locked<Gate.Pass?>(nil)
    do {
      let pass = try gate.enter()
      #expect(throws: APIError.self) {
        try pass.outside { () throws(APIError) in
          let entered = try gate.enter()
          other.withLock { $0 = entered }
        }
      }
    }
    #expect(throws: APIError.self) { try gate.enter() }
    other.withLock { $0 = nil }
    #expect((try? gate.enter()) != nil)
  }

  @Test func `work that waits is done in the order in which it came, and its caller gets what it gave`() throws {
    let gate = Gate("workers", places: 1, waitSeconds: 60, what: "tests")
    let order = Locked<[Int]>([])
    let threads = Locked<Set<String>>([])
    let given = Locked<[Int: String]>([:])
    var callers: [WorkerThread] = []
    do {
      let pass = try gate.enter()
      for number in 0..<20 {
        callers.append(
          WorkerThread(name: "caller") {
            let result = Result { () throws(APIError) in
              try gate.perform { _ throws(APIError) in
                order.withLock { $0.append(number) }
                threads.withLock { _ = $0.insert(threadName()) }
                if number % 2 == 1 { throw APIError.busy("odd ones") }
                return "\(number)"
              }
            }
            given.withLock { $0[number] = (try? result.get()) ?? "busy" }
          })
        #expect(eventually { gate.figures.waiting == number + 1 })
      }
      withExtendedLifetime(pass) {}
    }
    for caller in callers { caller.join() }
    #expect(order.withLock { $0 } == Array(0..<20))
    #expect(
      given.withLock { $0 } == Dictionary(uniqueKeysWithValues: (0..<20).map { ($0, $0 % 2 == 1 ? "busy" : "\($0)") }))
    #expect(gate.figures.waits.bucketCounts.reduce(0, +) == 21)
    #expect(threads.withLock { $0 } == ["workers"], "none of it was done by its caller")
    // The place is free again, and who finds it so works there itself.
    #expect(eventually { (try? gate.perform { _ in threadName() }) != "workers" })
  }

  @Test func `as much is worked on at once as there are places, and no more`() throws {
    let gate = Gate("tests", places: 2, waitSeconds: 60, what: "tests")
    let inside = Locked((now: 0, most: 0))
    let isOver = Locked(false)
    let callers = (0..<8).map { _ in
      WorkerThread(name: "caller") {
        try? gate.perform { _ in
          inside.withLock { state in
            state.now += 1
            state.most = max(state.most, state.now)
          }
          _ = eventually { isOver.withLock { $0 } }
          inside.withLock { $0.now -= 1 }
        }
      }
    }
    #expect(eventually { inside.withLock { $0.now } == 2 && gate.figures.waiting == 6 })
    #expect(inside.withLock { $0.most } == 2)
    isOver.withLock { $0 = true }
    for caller in callers { caller.join() }
    #expect(inside.withLock { $0.most } == 2)
  }

  @Test func `never more is worked on than there are places, whoever works`() throws {
    let gate = Gate("tests", places: 2, waitSeconds: 60, what: "tests")
    let inside = Locked((now: 0, most: 0, done: 0))
    let callers = (0..<12).map { number in
      WorkerThread(name: "caller") {
        for round in 0..<200 {
          try? gate.perform { (pass) throws(APIError) in
            inside.withLock { state in
              state.now += 1
              state.most = max(state.most, state.now)
            }
            sched_yield()
            inside.withLock { $0.now -= 1 }
            if (number + round) % 7 == 0 { try pass.outside { () throws(APIError) in } }
            if (number + round) % 5 == 0 { try pass.yield() }
            inside.withLock { $0.done += 1 }
          }
        }
      }
    }
    for caller in callers { caller.join() }
    #expect(inside.withLock { $0.done } == 2_400)
    #expect(inside.withLock { $0.most } <= 2)
    #expect(gate.figures.waiting == 0)
  }

  @Test func `a worker that is outside does not keep others from working`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 60, what: "tests")
    let steps = Locked<[String]>([])
    let blocked = Locked(true)
    var callers: [WorkerThread] = []
    do {
      let pass = try gate.enter()
      for name in ["first", "second", "third"] {
        callers.append(
          WorkerThread(name: name) {
            try? gate.perform { (pass) throws(APIError) in
              if name == "first" {
                try pass.outside { () throws(APIError) in _ = eventually { !blocked.withLock { $0 } } }
              }
              steps.withLock { $0.append(name) }
            }
          })
        #expect(eventually { gate.figures.waiting == callers.count })
      }
      withExtendedLifetime(pass) {}
    }
    #expect(eventually { steps.withLock { $0 } == ["second", "third"] })
    blocked.withLock { $0 = false }
    for caller in callers { caller.join() }
    #expect(steps.withLock { $0 } == ["second", "third", "first"])
  }

  @Test func `a pass that is over makes no places`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 60, what: "tests")
    let kept = Locked<Gate.Pass?>(nil)
    try gate.perform { pass in kept.withLock { $0 = pass } }
    var entered: Gate.Pass? = try gate.enter()
    let isDone = Locked(false)
    let caller = WorkerThread(name: "caller") { try? gate.perform { _ in isDone.withLock { $0 = true } } }
    #expect(eventually { gate.figures.waiting == 1 })
    var pass = kept.withLock { $0 }
    #expect(try pass?.outside { () throws(APIError) in 1 } == 1)
    try pass?.yield()
    kept.withLock { $0 = nil }
    pass = nil
    #expect(gate.figures.waiting == 1 && isDone.withLock { !$0 })
    entered = nil
    caller.join()
    #expect(isDone.withLock { $0 } && entered == nil && pass == nil)
  }

  @Test func `workers that were dismissed are missed by nobody`() throws {
    let name = "dismissed\(UInt16.random(in: 0 ... .max))"
    let gate = Gate(name, places: 1, waitSeconds: 60, what: "tests")
    let threads = Locked<[String]>([])
    func wait(callers: Int) throws {
      var pass: Gate.Pass? = try gate.enter()
      let all = (0..<callers).map { _ in
        WorkerThread(name: "caller") {
          try? gate.perform { _ in threads.withLock { $0.append(threadName()) } }
        }
      }
      #expect(eventually { gate.figures.waiting == callers })
      pass = nil
      for caller in all { caller.join() }
      #expect(pass == nil)
    }
    try wait(callers: 1)
    #expect(try threadCount(name) == 1)
    gate.dismissWorkers()
    #expect(try eventually { try threadCount(name) == 0 })
    try wait(callers: 3)
    #expect(threads.withLock { $0 } == [name, "caller", "caller", "caller"])
  }

  @Test func `work that waited in vain is never begun`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 0.01, what: "tests")
    let begun = Locked(false)
    do {
      let pass = try gate.enter()
      #expect(throws: APIError.self) { try gate.perform { _ in begun.withLock { $0 = true } } }
      withExtendedLifetime(pass) {}
    }
    #expect(gate.figures.refusals == 1)
    #expect(try gate.perform { _ in begun.withLock { $0 } } == false)
  }

  @Test func `a gate that goes takes its workers along`() throws {
    let name = "going\(UInt32.random(in: 0 ... .max))"
    do {
      let gate = Gate(name, places: 2, waitSeconds: 60, what: "tests")
      var passes = [try gate.enter(), try gate.enter()]
      let caller = WorkerThread(name: "caller") { try? gate.perform { _ in } }
      #expect(eventually { gate.figures.waiting == 1 })
      #expect(try threadCount(name) == 0)
      passes.removeAll()
      caller.join()
      #expect(try threadCount(name) == 1)
      withExtendedLifetime(gate) {}
    }
    // A thread is listed for a moment after it was joined, and the last one to work may let the gate go.
    #expect(try eventually { try threadCount(name) == 0 })
  }

  private func threadCount(_ name: String) throws -> Int {
    try Files.list("/proc/self/task").count { thread in
      // A thread may end meanwhile.
      let text = try? Files.read("/proc/self/task/\(thread)/comm", bytesMax: 64)
      return text.map { String(decoding: $0, as: UTF8.self) } == name + "\n"
    }
  }

  @Test func `look-ups wait in turn while metrics and health are answered`() throws {
    let api = try TestAPI([TestEvent("e", trace: "t", type: "A", created: TestEvent.epoch)]) { $0.lookUpsMax = 1 }
    let answered = Locked(0)
    var reader: WorkerThread?
    do {
      let pass = try api.api.lookUps.enter()
      reader = WorkerThread(name: "reader") {
        if api.get("/api/v1/traces/t").status == 200 { answered.withLock { $0 += 1 } }
      }
      #expect(eventually { api.api.lookUps.figures.waiting == 1 })
      #expect(api.get("/livez").status == 200)
      let metrics = api.get("/metrics").text
      #expect(metrics.contains(#"clew_query_gate_waiting{gate="look_ups"} 1"#))
      #expect(metrics.contains(#"clew_query_gate_places{gate="look_ups"} 1"#))
      #expect(metrics.contains(#"clew_query_gate_wait_seconds_count{gate="searches"} 0"#))
      #expect(api.get("/api/v1/traces?q=type:A").status == 200)
      #expect(answered.withLock { $0 } == 0)
      withExtendedLifetime(pass) {}
    }
    reader?.join()
    #expect(answered.withLock { $0 } == 1)
  }
}

/// Of the thread that calls.
private func threadName() -> String {
  let text = (try? Files.read("/proc/thread-self/comm", bytesMax: 64)) ?? []
  return String(decoding: text.dropLast(), as: UTF8.self)
}
