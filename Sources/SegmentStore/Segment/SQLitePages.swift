import Platform
import TraceStore

/// Reads the rows of a SQLite file page by page, without SQLite, so that damage to one page harms no other: no schema,
/// no tree, only leaf pages and the chains of overflow pages that hang on them.
///
/// Bounded: one page and one row in memory, and so many bytes read in all that pages which point at each other in circles
/// cannot keep it busy. Never writes, never traps.
final class SQLitePages {
  /// A row as it was found.
  struct Row {
    var rowID: Int64
    var values: [RowValue]
  }

  /// What a cell of a leaf page turned out to be.
  enum Cell {
    case row(Row)
    /// What could be read of a row whose other bytes are missing or make no sense.
    case broken(rowID: Int64, local: [UInt8])
  }

  /// Where a row is, to find it again.
  struct Place: Sendable, Hashable {
    var page: Int
    var cell: Int
  }

  let fileBytes: Int
  let pageBytes: Int
  /// Pages that are there, the last one perhaps in part.
  let pageCount: Int
  /// As the file's header says; 0 where that cannot be read.
  let pageCountInHeader: Int
  let headerIsReadable: Bool
  let applicationID: Int64
  let userVersion: Int64
  /// All bytes of overflow pages that may still be read.
  private var budget: Int
  private let file: any OpenFile

  private static let magic = Array("SQLite format 3\0".utf8)

  init(path: String, files: any FileSystem = RealFileSystem()) throws(StoreError) {
    var header: [UInt8]
    do {
      file = try files.open(path, .reading)
      fileBytes = try file.size()
      header = try Self.read(file, at: 0, count: 100)
    } catch { throw StoreError.file(error) }
    header += [UInt8](repeating: 0, count: 100 - header.count)
    headerIsReadable = header.starts(with: Self.magic)
    let size = Int(header[16]) << 8 | Int(header[17])
    let named = size == 1 ? 65536 : size
    let isPossible = named >= 512 && named <= 65536 && named & (named - 1) == 0
    pageBytes = isPossible ? named : SegmentFormat.pageBytes
    pageCount = (fileBytes + pageBytes - 1) / pageBytes
    func word(_ offset: Int) -> Int64 { (0..<4).reduce(0) { $0 << 8 | Int64(header[offset + $1]) } }
    pageCountInHeader = headerIsReadable ? Int(word(28)) : 0
    userVersion = word(60)
    applicationID = word(68)
    budget = 8 * fileBytes + (64 << 20)
  }

  /// True once circles used up what may be read: what follows is not looked at.
  var gaveUp: Bool { budget <= 0 }

  private static func read(_ file: any OpenFile, at offset: Int, count: Int) throws(FileError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let got = unsafe try bytes.withUnsafeMutableBufferPointer { (typed) throws(FileError) -> Int in
      let all = UnsafeMutableRawBufferPointer(typed)
      var filled = 0
      while filled < count {
        let more = unsafe try file.read(
          into: UnsafeMutableRawBufferPointer(rebasing: all[filled...]), at: offset + filled)
        if more == 0 { break }
        filled += more
      }
      return filled
    }
    bytes.removeLast(count - got)
    return bytes
  }

  /// The bytes of a page, 1 for the first; missing bytes at the end are zero; nil if the disk gives nothing.
  private func page(_ number: Int) -> [UInt8]? {
    guard number >= 1, number <= pageCount else { return nil }
    guard var bytes = try? Self.read(file, at: (number - 1) * pageBytes, count: pageBytes), !bytes.isEmpty else {
      return nil
    }
    bytes += [UInt8](repeating: 0, count: pageBytes - bytes.count)
    return bytes
  }

  /// Calls `body` with every cell of every leaf page, page by page.
  ///
  /// - Returns: pages that could not be read from the disk.
  func forEachCell<E: Error>(_ body: (Place, Cell) throws(E) -> Void) throws(E) -> [Int] {
    var unreadable: [Int] = []
    for number in 1...max(1, pageCount) where number <= pageCount {
      guard let bytes = page(number) else {
        if unreadable.count < SegmentLimits.problemCountMax { unreadable.append(number) }
        continue
      }
      let header = number == 1 ? 100 : 0
      guard bytes[header] == 0x0d else { continue }
      let cellCount = Int(bytes[header + 3]) << 8 | Int(bytes[header + 4])
      // The shortest cell takes four bytes with its pointer.
      for cell in 0..<min(cellCount, pageBytes / 4) {
        if gaveUp { return unreadable }
        if let found = readCell(bytes, header: header, cell) { try body(Place(page: number, cell: cell), found) }
      }
    }
    return unreadable
  }

  /// A cell that was found before.
  func cell(at place: Place) -> Cell? {
    guard let bytes = page(place.page) else { return nil }
    return readCell(bytes, header: place.page == 1 ? 100 : 0, place.cell)
  }

  private func readCell(_ bytes: [UInt8], header: Int, _ cell: Int) -> Cell? {
    let pointer = header + 8 + 2 * cell
    guard pointer + 2 <= pageBytes else { return nil }
    var offset = Int(bytes[pointer]) << 8 | Int(bytes[pointer + 1])
    guard offset >= header + 8, let payload = Self.varint(bytes, &offset), let rowID = Self.varint(bytes, &offset)
    else { return nil }
    let length = Int(truncatingIfNeeded: payload)
    guard length > 0, length <= min(SegmentLimits.rowBytesMax, fileBytes) else { return nil }
    let local = localBytes(length)
    guard offset + local <= pageBytes else { return nil }
    let localSlice = Array(bytes[offset..<(offset + local)])
    guard let whole = withOverflow(localSlice, bytes, offset + local, length), let values = Self.values(whole) else {
      return .broken(rowID: rowID, local: localSlice)
    }
    return .row(Row(rowID: rowID, values: values))
  }

  /// How much of a row its leaf page holds (SQLite's file format, section 1.6).
  private func localBytes(_ payload: Int) -> Int {
    if payload <= pageBytes - 35 { return payload }
    let least = (pageBytes - 12) * 32 / 255 - 23
    let fitting = least + (payload - least) % (pageBytes - 4)
    return fitting <= pageBytes - 35 ? fitting : least
  }

  private func withOverflow(_ local: [UInt8], _ leaf: [UInt8], _ end: Int, _ length: Int) -> [UInt8]? {
    if local.count == length { return local }
    guard end + 4 <= pageBytes else { return nil }
    var whole = local
    whole.reserveCapacity(length)
    var next = Self.word(leaf, end)
    while whole.count < length {
      budget -= pageBytes
      guard !gaveUp, next >= 2, let bytes = page(next) else { return nil }
      whole += bytes[4..<min(pageBytes, 4 + length - whole.count)]
      next = Self.word(bytes, 0)
    }
    return whole
  }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> Int {
    (0..<4).reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
  }

  /// SQLite's varint: big-endian, the ninth byte holds eight bits.
  private static func varint(_ bytes: [UInt8], _ offset: inout Int) -> Int64? {
    var value: UInt64 = 0
    for index in 0..<9 {
      guard offset < bytes.count else { return nil }
      let byte = bytes[offset]
      offset += 1
      if index == 8 { return Int64(bitPattern: value << 8 | UInt64(byte)) }
      value = value << 7 | UInt64(byte & 0x7f)
      if byte < 0x80 { break }
    }
    return Int64(bitPattern: value)
  }

  /// The columns of a record; nil if it is none.
  private static func values(_ record: [UInt8]) -> [RowValue]? {
    var offset = 0
    guard let headerBytes = varint(record, &offset), headerBytes >= 1, headerBytes <= Int64(record.count) else {
      return nil
    }
    var body = Int(headerBytes)
    var values: [RowValue] = []
    while offset < Int(headerBytes) {
      guard let type = varint(record, &offset), offset <= Int(headerBytes), type >= 0, values.count < 64 else {
        return nil
      }
      let length: Int
      switch type {
      case 0, 8, 9: length = 0
      case 1...4: length = Int(type)
      case 5: length = 6
      case 6, 7: length = 8
      case 10, 11: return nil
      default: length = Int((type - 12) / 2)
      }
      guard length <= record.count - body else { return nil }
      values.append(value(type, record[body..<(body + length)]))
      body += length
    }
    return values
  }

  private static func value(_ type: Int64, _ bytes: ArraySlice<UInt8>) -> RowValue {
    switch type {
    case 0, 7: return .null
    case 8: return .integer(0)
    case 9: return .integer(1)
    case 1...6:
      var value: UInt64 = (bytes.first ?? 0) >= 0x80 ? .max : 0
      for byte in bytes { value = value << 8 | UInt64(byte) }
      return .integer(Int64(bitPattern: value))
    default: return type % 2 == 0 ? .blob(Array(bytes)) : .text(Array(bytes))
    }
  }
}
