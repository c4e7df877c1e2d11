public import Platform

/// The files of a simulated disk as one life of a process sees them; after the next reboot everything fails.
public struct SimulatedFiles: FileSystem {
  public let disk: SimulatedDisk
  let generation: Int

  public var sqliteVFS: String? { disk.vfsName }

  /// Does something inside the disk's lock; says what was refused as the real file system does.
  private func run<R>(
    _ operation: String, _ path: String, _ body: (SimulatedDisk) throws(SimulatedDisk.Refusal) -> R
  ) throws(FileError) -> R {
    do {
      return try disk.lock.withLock { () throws(SimulatedDisk.Refusal) -> R in
        try disk.requireLife(generation)
        return try body(disk)
      }
    } catch { throw FileError(operation, path, code: error.code) }
  }

  public func open(_ path: String, _ access: FileAccess) throws(FileError) -> any OpenFile {
    try run("open", path) { (disk) throws(SimulatedDisk.Refusal) -> SimulatedFile in
      let node = try disk.open(path, creates: access != .reading).node
      if access == .creating && !node.content.isEmpty { try disk.resize(node, 0) }
      return SimulatedFile(self, path, node)
    }
  }

  public func temporaryFile(in directory: String, purpose: String) throws(FileError) -> any OpenFile {
    try run("open", directory) { (disk) throws(SimulatedDisk.Refusal) -> SimulatedFile in
      let path = "\(directory)/.clew-\(purpose)-\(disk.nextNodeNumber())"
      let node = try disk.open(path, creates: true).node
      _ = try disk.remove(path)
      return SimulatedFile(self, path, node)
    }
  }

  public func exists(_ path: String) -> Bool {
    disk.lock.withLock { disk.generation == generation && (disk.names[path] != nil || disk.directories.contains(path)) }
  }

  public func status(_ path: String) throws(FileError) -> FileStatus {
    try run("examine", path) { (disk) throws(SimulatedDisk.Refusal) in
      if let failure = try disk.admit(.examine) { throw disk.refusal(failure.code) }
      if disk.directories.contains(path) { return FileStatus(size: 0, inode: 0, isDirectory: true) }
      guard let node = disk.names[path] else { throw disk.refusal(SimulatedDisk.Refusal.notFound) }
      if let refused = node.refusal, refused.opening { throw disk.refusal(refused.code) }
      return FileStatus(size: node.content.count, inode: node.number)
    }
  }

  public func rename(_ path: String, to newPath: String) throws(FileError) {
    try run("rename", path) { (disk) throws(SimulatedDisk.Refusal) in try disk.rename(path, to: newPath) }
  }

  public func remove(_ path: String) throws(FileError) {
    try run("delete", path) { (disk) throws(SimulatedDisk.Refusal) in _ = try disk.remove(path) }
  }

  public func list(_ directory: String) throws(FileError) -> [String] {
    try run("list", directory) { (disk) throws(SimulatedDisk.Refusal) in try disk.list(directory) }
  }

  public func makeDirectory(_ path: String) throws(FileError) {
    try run("create", path) { (disk) throws(SimulatedDisk.Refusal) in
      // Directories are durable at once: a store makes at most two in its life.
      if disk.directories.contains(path) { return }
      let failure = try disk.admit(.create)
      var next = path
      while disk.directories.insert(next).inserted { next = Files.directory(of: next) }
      if let failure { throw disk.refusal(failure.code) }
    }
  }

  public func syncDirectory(_ path: String) throws(FileError) {
    try run("sync", path) { (disk) throws(SimulatedDisk.Refusal) in try disk.syncDirectory(path) }
  }

  public func volume(_ path: String) throws(FileError) -> (available: Int, capacity: Int) {
    try run("examine", path) { (disk) throws(SimulatedDisk.Refusal) in
      let capacity = disk.capacityNow ?? 1 << 40
      return (max(0, capacity - disk.usedBytes), capacity)
    }
  }
}

/// An open file of a simulated disk.
final class SimulatedFile: OpenFile, @unchecked Sendable {
  // `@unchecked Sendable`: immutable; the node is touched inside the disk's lock only.
  let path: String
  private let files: SimulatedFiles
  private let node: DiskNode

  init(_ files: SimulatedFiles, _ path: String, _ node: DiskNode) {
    self.files = files
    self.path = path
    self.node = node
  }

  deinit { close() }

  private func run<R>(
    _ operation: String, _ body: (SimulatedDisk, DiskNode) throws(SimulatedDisk.Refusal) -> R
  ) throws(FileError) -> R {
    let disk = files.disk
    do {
      return try disk.lock.withLock { () throws(SimulatedDisk.Refusal) -> R in
        try disk.requireLife(files.generation)
        return try body(disk, node)
      }
    } catch { throw FileError(operation, path, code: error.code) }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
    try run("read") { (disk, node) throws(SimulatedDisk.Refusal) in
      try unsafe disk.read(node, into: buffer, at: offset)
    }
  }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(FileError) {
    try run("write") { (disk, node) throws(SimulatedDisk.Refusal) in try unsafe disk.write(node, bytes, at: offset) }
  }

  func truncate() throws(FileError) {
    try run("cut") { (disk, node) throws(SimulatedDisk.Refusal) in try disk.resize(node, 0) }
  }

  func sync() throws(FileError) {
    try run("sync") { (disk, node) throws(SimulatedDisk.Refusal) in try disk.sync(node) }
  }

  func status() throws(FileError) -> FileStatus {
    try run("examine") { (disk, node) throws(SimulatedDisk.Refusal) in
      if let failure = try disk.admit(.examine) { throw disk.refusal(failure.code) }
      return FileStatus(size: node.content.count, inode: node.number)
    }
  }

  func tryLockExclusively() throws(FileError) -> Bool {
    try run("lock") { (_, node) throws(SimulatedDisk.Refusal) in
      if let holder = node.advisoryHolder, holder != ObjectIdentifier(self) { return false }
      node.advisoryHolder = ObjectIdentifier(self)
      return true
    }
  }

  func unlock() throws(FileError) {
    try run("unlock") { (_, node) throws(SimulatedDisk.Refusal) in
      if node.advisoryHolder == ObjectIdentifier(self) { node.advisoryHolder = nil }
    }
  }

  func close() {
    files.disk.lock.withLock {
      if files.generation == files.disk.generation && node.advisoryHolder == ObjectIdentifier(self) {
        node.advisoryHolder = nil
      }
    }
  }
}
