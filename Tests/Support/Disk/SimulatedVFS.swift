import CSQLite
import Glibc
import Platform

/// A SQLite VFS over a simulated disk: files, locks between connections, and the shared index of a WAL on the heap.
///
/// It behaves as SQLite's own for Unix does, as far as Clew uses that: the directory is synced with the first sync of a
/// new WAL or journal, a file of no bytes does not "exist", a full disk is `SQLITE_FULL`. `@safe`: what is allocated here
/// lives until `unregister`, when no connection is open any more, since each keeps the disk alive.
@safe final class SimulatedVFS {
  private let vfs: UnsafeMutablePointer<sqlite3_vfs>
  private let name: UnsafeMutablePointer<CChar>

  init(_ disk: SimulatedDisk) {
    unsafe name = strdup(disk.vfsName) ?? { preconditionFailure("no memory for a name") }()
    unsafe vfs = .allocate(capacity: 1)
    unsafe vfs.initialize(to: sqlite3_vfs())
    unsafe vfs.pointee.iVersion = 2
    unsafe vfs.pointee.szOsFile = Int32(MemoryLayout<VFSFile>.size)
    unsafe vfs.pointee.mxPathname = 1024
    unsafe vfs.pointee.zName = UnsafePointer(name)
    unsafe vfs.pointee.pAppData = Unmanaged.passUnretained(disk).toOpaque()
    unsafe vfs.pointee.xOpen = { unsafe vfsOpen($0, $1, $2, $3, $4) }
    unsafe vfs.pointee.xDelete = { unsafe vfsDelete($0, $1, $2) }
    unsafe vfs.pointee.xAccess = { unsafe vfsAccess($0, $1, $2, $3) }
    unsafe vfs.pointee.xFullPathname = { _, path, room, result in
      guard let path = unsafe path, unsafe strlen(path) < Int(room) else { return SQLITE_CANTOPEN }
      _ = unsafe strcpy(result!, path)
      return SQLITE_OK
    }
    unsafe vfs.pointee.xRandomness = { vfs, count, result in
      let disk = unsafe simulatedDisk(of: vfs)
      let bytes = disk.lock.withLock { disk.random.bytes(Int(count)) }
      for (index, byte) in bytes.enumerated() { unsafe result?[index] = CChar(bitPattern: byte) }
      return count
    }
    unsafe vfs.pointee.xSleep = { _, microseconds in
      // Another thread may hold the lock; nobody wants to wait as long as SQLite does on a real disk.
      usleep(UInt32(min(max(microseconds, 0), 200)))
      return microseconds
    }
    unsafe vfs.pointee.xCurrentTimeInt64 = { _, result in
      // Julian milliseconds of 2026-01-01T00:00:00Z.
      unsafe result?.pointee = 210_866_760_000_000 + 1_767_225_600_000
      return SQLITE_OK
    }
    unsafe vfs.pointee.xGetLastError = { vfs, _, _ in
      let disk = unsafe simulatedDisk(of: vfs)
      return disk.lock.withLock { disk.lastCode }
    }
    _ = unsafe sqlite3_vfs_register(vfs, 0)
  }

  func unregister() {
    unsafe sqlite3_vfs_unregister(vfs)
    unsafe vfs.deallocate()
    unsafe free(name)
  }
}

/// SQLite's extended codes of I/O errors, which are macros that Swift does not see.
private enum Failure {
  static let read = SQLITE_IOERR | 1 << 8
  static let shortRead = SQLITE_IOERR | 2 << 8
  static let write = SQLITE_IOERR | 3 << 8
  static let sync = SQLITE_IOERR | 4 << 8
  static let truncate = SQLITE_IOERR | 6 << 8
  static let size = SQLITE_IOERR | 7 << 8
  static let delete = SQLITE_IOERR | 10 << 8
  static let access = SQLITE_IOERR | 13 << 8
  static let lock = SQLITE_IOERR | 15 << 8
  static let lockIndex = SQLITE_IOERR | 20 << 8
  static let mapIndex = SQLITE_IOERR | 21 << 8
  static let deleteMissing = SQLITE_IOERR | 23 << 8
}

/// What SQLite allocates for each open file. `@safe`: the handle is retained by `xOpen` and released by `xClose`.
@safe private struct VFSFile {
  var base: sqlite3_file
  var handle: Unmanaged<VFSHandle>?
}

/// One open file of one connection. `@unchecked Sendable` is not needed: SQLite uses it from one thread at a time.
private final class VFSHandle {
  let disk: SimulatedDisk
  let life: Int
  let path: String
  let node: DiskNode
  let isDeletedOnClose: Bool
  var syncsDirectory: Bool
  var level = SQLITE_LOCK_NONE
  var usesIndex = false

  init(
    _ disk: SimulatedDisk, _ path: String, _ node: DiskNode, isDeletedOnClose: Bool, syncsDirectory: Bool
  ) {
    self.disk = disk
    life = disk.lifeNow
    self.path = path
    self.node = node
    self.isDeletedOnClose = isDeletedOnClose
    self.syncsDirectory = syncsDirectory
  }

  var identity: ObjectIdentifier { ObjectIdentifier(self) }

  /// Does something on the disk; `code` is what SQLite is told if that is refused.
  func run(_ code: Int32, _ body: (SimulatedDisk) throws(SimulatedDisk.Refusal) -> Int32) -> Int32 {
    disk.lock.withLock {
      do throws(SimulatedDisk.Refusal) {
        try disk.requireLife(life)
        return try body(disk)
      } catch {
        return error.code == SimulatedDisk.Refusal.noSpace && code == Failure.write ? SQLITE_FULL : code
      }
    }
  }

  func close() {
    disk.lock.withLock {
      guard life == disk.lifeNow else { return }
      node.sharedHolders.remove(identity)
      if node.reservedHolder == identity { node.reservedHolder = nil }
      if node.pendingHolder == identity { node.pendingHolder = nil }
      if node.exclusiveHolder == identity { node.exclusiveHolder = nil }
      node.shared?.release(identity)
      if isDeletedOnClose { _ = try? disk.remove(path) }
    }
  }

  // MARK: Locks

  func lock(_ wanted: Int32) -> Int32 {
    disk.lock.withLock {
      if wanted <= level { return SQLITE_OK }
      if life != disk.lifeNow { return Failure.lock }
      switch wanted {
      case SQLITE_LOCK_SHARED:
        if node.pendingHolder != nil || node.exclusiveHolder != nil { return SQLITE_BUSY }
        node.sharedHolders.insert(identity)
      case SQLITE_LOCK_RESERVED:
        if let holder = node.reservedHolder, holder != identity { return SQLITE_BUSY }
        node.reservedHolder = identity
      default:
        if let holder = node.reservedHolder, holder != identity { return SQLITE_BUSY }
        if let holder = node.pendingHolder, holder != identity { return SQLITE_BUSY }
        node.pendingHolder = identity
        level = SQLITE_LOCK_PENDING
        if node.sharedHolders.contains(where: { $0 != identity }) { return SQLITE_BUSY }
        node.exclusiveHolder = identity
      }
      level = wanted
      return SQLITE_OK
    }
  }

  func unlock(_ wanted: Int32) -> Int32 {
    disk.lock.withLock {
      guard wanted < level else { return SQLITE_OK }
      level = wanted
      if life != disk.lifeNow { return SQLITE_OK }
      if node.reservedHolder == identity { node.reservedHolder = nil }
      if node.pendingHolder == identity { node.pendingHolder = nil }
      if node.exclusiveHolder == identity { node.exclusiveHolder = nil }
      if wanted == SQLITE_LOCK_NONE { node.sharedHolders.remove(identity) }
      return SQLITE_OK
    }
  }

  var isReservedByAnother: Bool {
    disk.lock.withLock { node.reservedHolder.map { $0 != identity } ?? false }
  }

  func lockIndex(_ places: Range<Int>, _ flags: Int32) -> Int32 {
    disk.lock.withLock {
      guard life == disk.lifeNow, let index = node.shared else { return Failure.lockIndex }
      if flags & SQLITE_SHM_UNLOCK != 0 {
        for place in places {
          index.sharedHolders[place].remove(identity)
          if index.exclusiveHolders[place] == identity { index.exclusiveHolders[place] = nil }
        }
        return SQLITE_OK
      }
      let isExclusive = flags & SQLITE_SHM_EXCLUSIVE != 0
      for place in places {
        if let holder = index.exclusiveHolders[place], holder != identity { return SQLITE_BUSY }
        if isExclusive && index.sharedHolders[place].contains(where: { $0 != identity }) { return SQLITE_BUSY }
      }
      for place in places {
        if isExclusive {
          index.exclusiveHolders[place] = identity
        } else {
          index.sharedHolders[place].insert(identity)
        }
      }
      return SQLITE_OK
    }
  }
}

extension SimulatedDisk {
  fileprivate var lifeNow: Int { generation }
}

// MARK: The file system

private func simulatedDisk(of vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> SimulatedDisk {
  guard let data = unsafe vfs?.pointee.pAppData else { preconditionFailure("set in init") }
  return unsafe Unmanaged<SimulatedDisk>.fromOpaque(data).takeUnretainedValue()
}

private func vfsOpen(
  _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?, _ file: UnsafeMutablePointer<sqlite3_file>?,
  _ flags: Int32, _ outFlags: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let file = unsafe file else { return SQLITE_CANTOPEN }
  unsafe file.pointee.pMethods = nil
  let disk = unsafe simulatedDisk(of: vfs)
  let name = unsafe path.map { unsafe String(cString: $0) }
  let handle = disk.lock.withLock { () -> VFSHandle? in
    do throws(SimulatedDisk.Refusal) {
      let path = name ?? "/.sqlite-\(disk.nextNodeNumber())"
      let (node, isNew) = try disk.open(
        path, creates: flags & SQLITE_OPEN_CREATE != 0, mustBeNew: flags & SQLITE_OPEN_EXCLUSIVE != 0)
      let journals = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL
      return VFSHandle(
        disk, path, node, isDeletedOnClose: name == nil || flags & SQLITE_OPEN_DELETEONCLOSE != 0,
        syncsDirectory: isNew && flags & journals != 0)
    } catch {
      return nil
    }
  }
  guard let handle else { return SQLITE_CANTOPEN }
  unsafe file.withMemoryRebound(to: VFSFile.self, capacity: 1) { unsafe $0.pointee.handle = .passRetained(handle) }
  unsafe file.pointee.pMethods = methods.pointer
  unsafe outFlags?.pointee = flags
  return SQLITE_OK
}

private func vfsDelete(
  _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?, _ syncsDirectory: Int32
) -> Int32 {
  guard let path = unsafe path else { return Failure.delete }
  let disk = unsafe simulatedDisk(of: vfs)
  let name = unsafe String(cString: path)
  return disk.lock.withLock {
    do throws(SimulatedDisk.Refusal) {
      if try !disk.remove(name) { return Failure.deleteMissing }
      if syncsDirectory != 0 { try disk.syncDirectory(Files.directory(of: name)) }
      return SQLITE_OK
    } catch {
      return Failure.delete
    }
  }
}

private func vfsAccess(
  _ vfs: UnsafeMutablePointer<sqlite3_vfs>?, _ path: UnsafePointer<CChar>?, _ flags: Int32,
  _ result: UnsafeMutablePointer<Int32>?
) -> Int32 {
  guard let path = unsafe path else { return Failure.access }
  let disk = unsafe simulatedDisk(of: vfs)
  let name = unsafe String(cString: path)
  return disk.lock.withLock {
    do throws(SimulatedDisk.Refusal) {
      if let failure = try disk.admit(.examine) { throw disk.refusal(failure.code) }
      unsafe result?.pointee = disk.names[name].map { !$0.content.isEmpty } ?? false ? 1 : 0
      return SQLITE_OK
    } catch {
      return Failure.access
    }
  }
}

// MARK: An open file

/// The functions of all files. `@safe`: never freed, never written.
@safe private struct Methods: @unchecked Sendable {
  // `@unchecked Sendable`: never written after `init`.
  let pointer: UnsafePointer<sqlite3_io_methods>

  init() {
    let made = UnsafeMutablePointer<sqlite3_io_methods>.allocate(capacity: 1)
    unsafe made.initialize(to: sqlite3_io_methods())
    unsafe made.pointee.iVersion = 2
    unsafe Self.fillFile(made)
    unsafe Self.fillLocks(made)
    unsafe pointer = UnsafePointer(made)
  }

  private static func fillFile(_ made: UnsafeMutablePointer<sqlite3_io_methods>) {
    unsafe made.pointee.xClose = { file in
      unsafe openHandle(file).close()
      unsafe file?.withMemoryRebound(to: VFSFile.self, capacity: 1) { unsafe $0.pointee.handle?.release() }
      return SQLITE_OK
    }
    unsafe made.pointee.xRead = { file, buffer, count, offset in unsafe vfsRead(file, buffer, count, offset) }
    unsafe made.pointee.xWrite = { file, bytes, count, offset in
      let handle = unsafe openHandle(file)
      return handle.run(Failure.write) { (disk) throws(SimulatedDisk.Refusal) in
        try unsafe disk.write(
          handle.node, UnsafeRawBufferPointer(start: bytes, count: Int(count)), at: Int(offset))
        return SQLITE_OK
      }
    }
    unsafe made.pointee.xTruncate = { file, size in
      let handle = unsafe openHandle(file)
      return handle.run(Failure.truncate) { (disk) throws(SimulatedDisk.Refusal) in
        try disk.resize(handle.node, Int(size))
        return SQLITE_OK
      }
    }
    unsafe made.pointee.xSync = { file, _ in
      let handle = unsafe openHandle(file)
      return handle.run(Failure.sync) { (disk) throws(SimulatedDisk.Refusal) in
        try disk.sync(handle.node)
        if handle.syncsDirectory { try disk.syncDirectory(Files.directory(of: handle.path)) }
        handle.syncsDirectory = false
        return SQLITE_OK
      }
    }
    unsafe made.pointee.xFileSize = { file, size in
      let handle = unsafe openHandle(file)
      return handle.run(Failure.size) { (disk) throws(SimulatedDisk.Refusal) in
        if let failure = try disk.admit(.examine) { throw disk.refusal(failure.code) }
        unsafe size?.pointee = Int64(handle.node.content.count)
        return SQLITE_OK
      }
    }
    unsafe made.pointee.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
    unsafe made.pointee.xSectorSize = { _ in 4096 }
    unsafe made.pointee.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
  }

  private static func fillLocks(_ made: UnsafeMutablePointer<sqlite3_io_methods>) {
    unsafe made.pointee.xLock = { file, level in unsafe openHandle(file).lock(level) }
    unsafe made.pointee.xUnlock = { file, level in unsafe openHandle(file).unlock(level) }
    unsafe made.pointee.xCheckReservedLock = { file, result in
      unsafe result?.pointee = openHandle(file).isReservedByAnother ? 1 : 0
      return SQLITE_OK
    }
    unsafe made.pointee.xShmMap = { file, number, bytes, extend, result in
      let handle = unsafe openHandle(file)
      return handle.run(Failure.mapIndex) { (_) throws(SimulatedDisk.Refusal) in
        let index = handle.node.shared ?? SharedIndex()
        handle.node.shared = index
        unsafe result?.pointee = index.region(Int(number), bytes: Int(bytes), extend: extend != 0)
        return SQLITE_OK
      }
    }
    unsafe made.pointee.xShmLock = { file, place, count, flags in
      unsafe openHandle(file).lockIndex(Int(place)..<Int(place + count), flags)
    }
    unsafe made.pointee.xShmBarrier = { file in
      let handle = unsafe openHandle(file)
      handle.disk.lock.withLock {}
    }
    unsafe made.pointee.xShmUnmap = { file, _ in
      let handle = unsafe openHandle(file)
      handle.disk.lock.withLock { handle.node.shared?.release(handle.identity) }
      return SQLITE_OK
    }
  }
}

private let methods = Methods()

private func openHandle(_ file: UnsafeMutablePointer<sqlite3_file>?) -> VFSHandle {
  let handle = unsafe file?.withMemoryRebound(to: VFSFile.self, capacity: 1) { unsafe $0.pointee.handle }
  guard let handle = unsafe handle ?? nil else { preconditionFailure("set by xOpen") }
  return unsafe handle.takeUnretainedValue()
}

private func vfsRead(
  _ file: UnsafeMutablePointer<sqlite3_file>?, _ buffer: UnsafeMutableRawPointer?, _ count: Int32, _ offset: Int64
) -> Int32 {
  let handle = unsafe openHandle(file)
  return handle.run(Failure.read) { (disk) throws(SimulatedDisk.Refusal) in
    let all = unsafe UnsafeMutableRawBufferPointer(start: buffer, count: Int(count))
    let got = try unsafe disk.read(handle.node, into: all, at: Int(offset))
    if got == all.count { return SQLITE_OK }
    // As SQLite demands: what is missing reads as zero.
    unsafe UnsafeMutableRawBufferPointer(rebasing: all[got...]).initializeMemory(as: UInt8.self, repeating: 0)
    return Failure.shortRead
  }
}
