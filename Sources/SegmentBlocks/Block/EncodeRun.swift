import EventModel
import WideScan

extension BlockEncoder {
  private func view(_ place: Int) -> EventView {
    let start = frameStarts[place]
    let end = place &+ 1 < frameStarts.count ? frameStarts[place &+ 1] : frames.count
    return unsafe EventView(trusted: UnsafeRawBufferPointer(rebasing: frames.bytes[start..<end]))
  }

  func encodeRun(goesOn: Bool) {
    let count = frameStarts.count
    let first = ordinals.count
    for place in 0..<count {
      let event = view(place)
      let key = event.idKey
      idHighs.append(key.high)
      idLows.append(key.low)
      ordinals.append(event.ordinal)
      created.append(event.created.nanoseconds)
    }
    if count > Self.linearMax { fillSlots(count) }
    appendTrace(goesOn: goesOn, first..<(first + count))
    streamCache.removeAll()
    unsafe trace.withUnsafeBytes { unsafe body.beginTrace($0, isUUID: traceIsUUID) }
    var foreign: Int?
    typesOfRun.removeAll(keepingCapacity: true)
    for place in 0..<count { typesOfRun.append(encodeHead(place, first, &foreign)) }
    body.expect(typeNumber: typesOfRun[0])
    for place in 0..<count {
      if place &+ 1 < count { body.expect(typeNumber: typesOfRun[place &+ 1]) }
      body.append(view(place), typeNumber: typesOfRun[place])
    }
  }

  /// Runs of so many events are searched one by one.
  static let linearMax = 12

  private func fillSlots(_ count: Int) {
    var size = 64
    while size < count * 2 { size *= 2 }
    if idSlots.count == size {
      for slot in 0..<size { idSlots[slot] = -1 }
    } else {
      idSlots = ContiguousArray(repeating: -1, count: size)
    }
    for place in 0..<count {
      var slot = Int(truncatingIfNeeded: idLows[place] ^ idLows[place] &>> 29) & (size &- 1)
      var known = false
      while idSlots[slot] >= 0 {
        let other = Int(idSlots[slot])
        if idLows[other] == idLows[place] && idHighs[other] == idHighs[place] {
          known = true
          break
        }
        slot = (slot &+ 1) & (size &- 1)
      }
      if !known { idSlots[slot] = Int32(place) }
    }
  }

  /// The first event of the run whose id has this key.
  @inline(__always) private func place(ofID key: IdentifierKey) -> Int? {
    let count = idLows.count
    if count <= Self.linearMax {
      for place in 0..<count where idLows[place] == key.low && idHighs[place] == key.high { return place }
      return nil
    }
    let mask = idSlots.count &- 1
    var slot = Int(truncatingIfNeeded: key.low ^ key.low &>> 29) & mask
    while idSlots[slot] >= 0 {
      let place = Int(idSlots[slot])
      if idLows[place] == key.low && idHighs[place] == key.high { return place }
      slot = (slot &+ 1) & mask
    }
    return nil
  }

  private func place(ofOrdinal ordinal: Int64, _ first: Int) -> Int? {
    var low = first
    var high = ordinals.count
    while low < high {
      let middle = (low + high) / 2
      if ordinals[middle] < ordinal { low = middle + 1 } else { high = middle }
    }
    return low < ordinals.count && ordinals[low] == ordinal ? low - first : nil
  }

  private func appendTrace(goesOn: Bool, _ events: Range<Int>) {
    var kind = HeadRun.TraceKind.none
    if !trace.isEmpty {
      kind = traceIsUUID ? .uuid : .text
      let event = view(0)
      if traceIsUUID, event.flags.contains(.idIsUUID), event.idKey == traceKey { kind = .firstID }
    }
    switch kind {
    case .none, .firstID: break
    case .uuid: unsafe trace.withUnsafeBytes { unsafe traceUUIDs.append($0) }
    case .text:
      traceTexts.append(UInt8(trace.count - 1))
      unsafe trace.withUnsafeBytes { unsafe traceTexts.append($0) }
    }
    runs.append(HeadRun(traceKind: kind, continues: runFlags & 4 != 0, goesOn: goesOn, events: events))
  }

  @inline(__always) private func isTrace(_ bytes: UnsafeRawBufferPointer, isUUID: Bool, _ key: IdentifierKey) -> Bool {
    guard !trace.isEmpty, isUUID == traceIsUUID, key == traceKey, bytes.count == trace.count else { return false }
    return unsafe isUUID
      || trace.withUnsafeBytes { unsafe ByteScan.isSame($0.baseAddress!, bytes.baseAddress!, bytes.count) }
  }

  /// - Returns: the number of the event's type.
  private func encodeHead(_ place: Int, _ first: Int, _ foreign: inout Int?) -> UInt32 {
    let event = view(place)
    let flags = event.flags
    unsafe appendID(event.idBytes, isUUID: flags.contains(.idIsUUID))
    var form = CorrelationForm.absent
    let correlation = unsafe event.correlationBytes
    if unsafe !correlation.isEmpty {
      let isUUID = flags.contains(.correlationIsUUID)
      form = unsafe isTrace(correlation, isUUID: isUUID, event.correlationKey) ? .trace : .foreign
      if form == .foreign { unsafe appendForeign(correlation, isUUID: isUUID) }
    }
    let parent = appendParent(event, place, first, &foreign)
    let number = appendKind(event, form, context(of: parent, first + place))
    appendPosition(event)
    let isLocal = number & BlockHead.localKindFlag != 0
    return isLocal ? SegmentKinds.otherType : kinds.typeNumbers[Int(number)]
  }

  @inline(__always) private func appendPosition(_ event: EventView) {
    let position = event.position
    majors.append(position.major)
    minors.append(position.minor)
    let tag = unsafe StreamRevisions.tag(event.stream)
    let revision = event.revision ?? -1
    revisions.append(zigzag(revision &- streamCache.predicted(tag)))
    streamCache.note(tag, revision)
  }

  @inline(__always) private func appendID(_ bytes: UnsafeRawBufferPointer, isUUID: Bool) {
    if isUUID { return unsafe idUUIDs.append(bytes) }
    idTexts.append(UInt8(bytes.count - 1))
    unsafe idTexts.append(bytes)
  }

  private func appendForeign(_ bytes: UnsafeRawBufferPointer, isUUID: Bool) {
    if isUUID { return unsafe foreignUUIDs.append(bytes) }
    foreignTexts.append(UInt8(bytes.count - 1))
    unsafe foreignTexts.append(bytes)
  }

  /// - Returns: what goes into `parents`.
  private func appendParent(_ event: EventView, _ place: Int, _ first: Int, _ foreign: inout Int?) -> Int32 {
    let cause = unsafe event.causeBytes
    if unsafe cause.isEmpty {
      note(BlockHead.Parent.absent, HeadCoding.Code.absent)
      return BlockHead.Parent.absent
    }
    let isUUID = event.flags.contains(.causeIsUUID)
    let key = event.causeKey
    var found: Int?
    var isEdge = false
    if let candidate = self.place(ofID: key), unsafe isID(of: candidate, cause, isUUID) {
      found = candidate
      let wanted = causeOrdinals[place]
      if wanted != Self.noCause {
        if ordinals[first + candidate] == wanted {
          isEdge = true
        } else if let other = self.place(ofOrdinal: wanted, first), unsafe isID(of: other, cause, isUUID) {
          found = other
          isEdge = true
        }
      }
      if found == place {
        found = nil
        isEdge = false
      }
    }
    if let found { return noteEvent(found, place, first, isEdge) }
    if unsafe isUUID == event.flags.contains(.idIsUUID) && cause.elementsEqual(event.idBytes) {
      note(BlockHead.Parent.own, HeadCoding.Code.own)
    } else if unsafe isTrace(cause, isUUID: isUUID, key) {
      note(BlockHead.Parent.trace, HeadCoding.Code.trace)
    } else if let last = foreign, unsafe isCause(of: last, cause, isUUID) {
      note(BlockHead.Parent.sameForeign, HeadCoding.Code.sameForeign)
    } else {
      note(BlockHead.Parent.foreign, HeadCoding.Code.foreign)
      unsafe appendForeign(cause, isUUID: isUUID)
      foreign = place
    }
    return BlockHead.Parent.absent
  }

  private func noteEvent(_ found: Int, _ place: Int, _ first: Int, _ isEdge: Bool) -> Int32 {
    let isForward = found > place
    let distance = UInt64(isForward ? found - place - 1 : place - found - 1)
    parentColumn.append(
      varint: HeadCoding.Code.firstEvent
        + (distance << 2 | (isForward ? HeadCoding.forward : 0) | (isEdge ? 0 : HeadCoding.noEdge)))
    parents.append(Int32(first + found))
    edges.append(isEdge ? 1 : 0)
    return Int32(first + found)
  }

  @inline(__always) private func note(_ parent: Int32, _ code: UInt64) {
    parentColumn.append(varint: code)
    parents.append(parent)
    edges.append(0)
  }

  @inline(__always) private func isID(of place: Int, _ cause: UnsafeRawBufferPointer, _ isUUID: Bool) -> Bool {
    let event = view(place)
    guard event.flags.contains(.idIsUUID) == isUUID else { return false }
    let id = unsafe event.idBytes
    return unsafe id.count == cause.count && ByteScan.isSame(id.baseAddress!, cause.baseAddress!, cause.count)
  }

  private func isCause(of place: Int, _ cause: UnsafeRawBufferPointer, _ isUUID: Bool) -> Bool {
    let event = view(place)
    guard event.flags.contains(.causeIsUUID) == isUUID else { return false }
    let other = unsafe event.causeBytes
    return unsafe other.count == cause.count && ByteScan.isSame(other.baseAddress!, cause.baseAddress!, cause.count)
  }

  /// An event whose cause comes behind it has no context: kinds are decoded in order.
  @inline(__always) private func context(of parent: Int32, _ event: Int) -> UInt32 {
    guard parent >= 0, Int(parent) < event else { return 0 }
    let kind = kindNumbers[Int(parent)]
    return kind & BlockHead.localKindFlag != 0 ? 0 : kind &+ 1
  }

  @inline(__always) private func appendKind(_ event: EventView, _ form: CorrelationForm, _ context: UInt32) -> UInt32 {
    guard let number = kinds.number(of: event, form) else { return appendLocalKind(event, form) }
    kindNumbers.append(number)
    if let pair = kinds.pair(context: context, kind: number) {
      kindColumn.append(varint: UInt64(kinds.pairs[pair].rank) &+ 1)
    } else {
      kindColumn.append(0)
      kindColumn.append(varint: UInt64(number) + 1)
    }
    return number
  }

  @inline(never) private func appendLocalKind(_ event: EventView, _ form: CorrelationForm) -> UInt32 {
    let kind = KindTableBuilder.kind(of: event, form)
    let known = localKinds.firstIndex(of: kind)
    let place = known ?? localKinds.count
    if known == nil { localKinds.append(kind) }
    kindColumn.append(0)
    kindColumn.append(0)
    kindColumn.append(varint: UInt64(place))
    let number = BlockHead.localKindFlag | UInt32(place)
    kindNumbers.append(number)
    return number
  }
}
