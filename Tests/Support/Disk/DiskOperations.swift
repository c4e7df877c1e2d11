import Platform

/// What both the file layer and SQLite's VFS do. Everything here is called inside the disk's lock.
extension SimulatedDisk {
  func nextNodeNumber() -> UInt64 {
    nodeCount += 1
    return nodeCount
  }

  func requireLife(_ life: Int) throws(Refusal) {
    if life != generation { throw refusal(Refusal.inputOutput) }
  }

  /// - Returns: the file, and whether it was made.
  func open(_ path: String, creates: Bool, mustBeNew: Bool = false) throws(Refusal) -> (node: DiskNode, isNew: Bool) {
    if let known = names[path] {
      if mustBeNew { throw refusal(Refusal.exists) }
      if let refused = known.refusal, refused.opening { throw refusal(refused.code) }
      if let failure = try admit(.open) { throw refusal(failure.code) }
      return (known, false)
    }
    if !creates {
      if let failure = try admit(.open) { throw refusal(failure.code) }
      throw refusal(Refusal.notFound)
    }
    let failure = try admit(.create)
    guard directories.contains(Files.directory(of: path)) else { throw refusal(Refusal.notFound) }
    let node = DiskNode(number: nextNodeNumber())
    names[path] = node
    pendingEntries.append(.link(path, node))
    if let failure { throw refusal(failure.code) }
    return (node, true)
  }

  /// - Returns: how many bytes there were.
  func read(_ node: DiskNode, into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(Refusal) -> Int {
    if let failure = try admit(.read) { throw refusal(failure.code) }
    if let refused = node.refusal { throw refusal(refused.code) }
    let count = max(0, min(buffer.count, node.content.count - offset))
    if count == 0 { return 0 }
    unsafe node.content.withUnsafeBytes { all in
      unsafe buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: all[offset..<(offset + count)]))
    }
    return count
  }

  func write(_ node: DiskNode, _ bytes: UnsafeRawBufferPointer, at offset: Int) throws(Refusal) {
    let failure = try admit(.write, bytes: bytes.count)
    var allowed = failure?.bytes ?? bytes.count
    var code = failure?.code
    if let capacity = capacityNow {
      let free = max(0, capacity - usedBytes)
      let growth = max(0, offset + allowed - node.content.count)
      if growth > free {
        allowed = max(0, min(allowed, node.content.count + free - offset))
        code = code ?? Refusal.noSpace
      }
    }
    let sizeBefore = node.content.count
    unsafe node.write(UnsafeRawBufferPointer(rebasing: bytes[..<allowed]), at: offset)
    noteGrowth(node, from: sizeBefore)
    if let code { throw refusal(code) }
  }

  /// Nameless files take space only while they grow: nothing is told when they end.
  private func noteGrowth(_ node: DiskNode, from before: Int) {
    if node.isNamed { usedBytes += node.content.count - before }
  }

  func resize(_ node: DiskNode, _ size: Int) throws(Refusal) {
    let failure = try admit(.truncate)
    let sizeBefore = node.content.count
    node.resize(size)
    noteGrowth(node, from: sizeBefore)
    if let failure { throw refusal(failure.code) }
  }

  func sync(_ node: DiskNode) throws(Refusal) {
    do throws(Refusal) {
      let failure = try admit(.sync)
      if failure == nil { return node.sync() }
      throw refusal(failure?.code ?? 0)
    } catch {
      // A process that is killed leaves what it wrote to the system, as it is.
      if !isCrashedNow { node.failSync() }
      throw error
    }
  }

  func rename(_ path: String, to newPath: String) throws(Refusal) {
    guard let node = names[path] else { throw refusal(Refusal.notFound) }
    let failure = try admit(.rename)
    if let replaced = names[newPath] {
      usedBytes -= replaced.content.count
      replaced.isNamed = false
    }
    names[path] = nil
    names[newPath] = node
    pendingEntries.append(.rename(path, newPath))
    if let failure { throw refusal(failure.code) }
  }

  /// - Returns: false if there was no such file.
  func remove(_ path: String) throws(Refusal) -> Bool {
    guard let node = names[path] else {
      if let failure = try admit(.examine) { throw refusal(failure.code) }
      return false
    }
    let failure = try admit(.remove)
    names[path] = nil
    node.isNamed = false
    usedBytes -= node.content.count
    pendingEntries.append(.remove(path))
    if let failure { throw refusal(failure.code) }
    return true
  }

  func syncDirectory(_ directory: String) throws(Refusal) {
    if let failure = try admit(.syncDirectory) { throw refusal(failure.code) }
    for change in pendingEntries where change.concerns(directory) { change.apply(to: &durableNames) }
    pendingEntries.removeAll { $0.concerns(directory) }
  }

  func list(_ directory: String) throws(Refusal) -> [String] {
    if let failure = try admit(.list) { throw refusal(failure.code) }
    guard directories.contains(directory) else { throw refusal(Refusal.notFound) }
    let paths = Array(names.keys) + Array(directories)
    return paths.filter { $0 != "/" && $0 != directory && Files.directory(of: $0) == directory }
      .map { String($0.dropFirst(directory == "/" ? 1 : directory.count + 1)) }.sorted()
  }
}
