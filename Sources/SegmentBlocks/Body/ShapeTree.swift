import WideScan

/// A step in the tree of a part's shapes: the bytes of the template before a value, and where the value goes; or, at the
/// end, the bytes behind the last value. Shapes that begin alike share their first nodes.
struct ShapeNode: BitwiseCopyable {
  /// In `templateBytes`.
  var pieceStart: UInt32
  var pieceLength: UInt16
  var path: UInt16
  var list: UInt32
  /// The shape that ends here, plus one; 0 where a value follows.
  var shape: UInt32
  var isString: Bool
  var parent: UInt32
  var firstChild: UInt32 = 0
  /// Children of one node, those used last in front.
  var next: UInt32 = 0
  var previous: UInt32 = 0
}

/// A template as used by one type.
struct Shape: BitwiseCopyable {
  var template: UInt32
  /// Its leaf; from there the parents lead back to the root.
  var leaf: UInt32
  var slotCount: UInt16
  /// Its number among the shapes of its class and part.
  var rank: UInt16
}

struct PartState: BitwiseCopyable {
  /// The node above the first pieces; 0 before there is any.
  var root: UInt32 = 0
  var rankCount: UInt32 = 0
  /// The lists that its first shape brought along, and what came right behind them: those of most of its values.
  var firstList: UInt32 = 0
  var listCount: UInt32 = 0
}

// All of it mutates, so that nothing copies the tables.
extension DictionaryTables {
  /// So many children of a node are looked at: a type with more than that is cut instead.
  private static let childrenTried = 8
  /// 40 MB.
  private static let nodesMax = 1 << 20

  /// The shape of a text, and its values in `tokenizer.tokens`; nil if it is better kept whole. Bytes can be read up to
  /// `readable`, at or behind the text's end.
  @inline(__always) mutating func shape(
    _ text: BytePointer, _ count: Int, readable: BytePointer, classIndex: Int, isData: Bool,
    _ tokenizer: inout Tokenizer
  ) -> Shape? {
    let root = unsafe (parts.start + (classIndex * 2 + (isData ? 1 : 0))).pointee.root
    if root != 0, let known = unsafe knownShape(text, count, readable, root, tokenizer.tokens) { return known }
    return unsafe cutShape(text, count, classIndex: classIndex, isData: isData, &tokenizer)
  }

  /// Lays known shapes over the text, from its beginning: piece by piece the first child that fits.
  ///
  /// - Returns: nil where none fits; one that was cut may fit all the same.
  @inline(__always) private mutating func knownShape(
    _ text: BytePointer, _ count: Int, _ readable: BytePointer, _ root: UInt32, _ tokens: UnsafeMutablePointer<Token>
  ) -> Shape? {
    let end = unsafe text + count
    let pieces = unsafe BytePointer(templateBytes.start)
    var p = unsafe text
    var token = unsafe tokens
    var parent = root
    while true {
      var number = unsafe nodes[Int(parent)].firstChild
      var tried = 0
      var stop: BytePointer?
      while number != 0, unsafe tried < Self.childrenTried {
        let node = unsafe nodes.start + Int(number)
        let length = unsafe Int(node.pointee.pieceLength)
        if unsafe end - p >= length,
          unsafe equalBytes(pieces + Int(node.pointee.pieceStart), p, length, readable: readable)
        {
          let after = unsafe p + length
          if unsafe node.pointee.shape != 0 {
            if unsafe after == end {
              if tried > 0 { unsafe moveToFront(number) }
              return unsafe shapes[Int(node.pointee.shape) - 1]
            }
          } else {
            unsafe stop =
              unsafe node.pointee.isString
              ? closingQuote(after, end, readable: readable) : Tokenizer.endOfPlain(after, end, readable: readable)
            if let found = unsafe stop, unsafe node.pointee.isString || found > after {
              unsafe token.pointee = unsafe Token(
                start: UInt32(truncatingIfNeeded: after - text), length: UInt32(truncatingIfNeeded: found - after),
                node: number)
              break
            }
            unsafe stop = nil
          }
        }
        number = unsafe node.pointee.next
        tried += 1
      }
      guard let found = unsafe stop else { return nil }
      if tried > 0 { unsafe moveToFront(number) }
      unsafe p = unsafe found
      unsafe token += 1
      parent = number
    }
  }

  @inline(never) private mutating func moveToFront(_ number: UInt32) {
    let node = unsafe nodes.start + Int(number)
    let before = unsafe node.pointee.previous
    if before == 0 { return }
    let behind = unsafe node.pointee.next
    unsafe nodes.start[Int(before)].next = behind
    if behind != 0 { unsafe nodes.start[Int(behind)].previous = before }
    unsafe link(number)
  }

  /// Puts a node before its siblings.
  private mutating func link(_ number: UInt32) {
    let node = unsafe nodes.start + Int(number)
    let parent = unsafe nodes.start + Int(node.pointee.parent)
    let first = unsafe parent.pointee.firstChild
    unsafe node.pointee.previous = 0
    unsafe node.pointee.next = first
    if first != 0 { unsafe nodes.start[Int(first)].previous = number }
    unsafe parent.pointee.firstChild = number
  }

  @inline(never) private mutating func cutShape(
    _ text: BytePointer, _ count: Int, classIndex: Int, isData: Bool, _ tokenizer: inout Tokenizer
  ) -> Shape? {
    guard unsafe tokenizer.cut(text, count), let template = unsafe template(text, &tokenizer) else { return nil }
    let owner = UInt32(classIndex * 2 + (isData ? 1 : 0))
    var place = unsafe shapeIndex.place((UInt64(owner) << 32 | UInt64(template)) &* 0x9e37_79b9_7f4a_7c15 >> 30)
    var found: Int?
    while unsafe shapeIndex.table[place] != 0 {
      let number = unsafe Int(shapeIndex.table[place]) - 1
      if unsafe shapes[number].template == template, unsafe shapeOwners[number] == owner {
        found = number
        break
      }
      place = unsafe shapeIndex.next(place)
    }
    let part = unsafe parts.start + Int(owner)
    if found == nil { found = unsafe addShape(template, classIndex, owner, part, tokenizer.tokens) }
    guard let number = found else { return nil }
    if unsafe shapeIndex.table[place] == 0 { unsafe shapeIndex.table[place] = UInt32(number + 1) }
    let shape = unsafe shapes[number]
    var node = shape.leaf
    var slot = Int(shape.slotCount)
    while true {
      unsafe moveToFront(node)
      node = unsafe nodes[Int(node)].parent
      if slot == 0 { return shape }
      slot -= 1
      unsafe tokenizer.tokens[slot].node = node
    }
  }

  /// - Parameter tokens: room for the lists of its values.
  private mutating func addShape(
    _ number: UInt32, _ classIndex: Int, _ owner: UInt32, _ part: UnsafeMutablePointer<PartState>,
    _ tokens: UnsafeMutablePointer<Token>
  ) -> Int? {
    let template = unsafe templates[Int(number)]
    let slots = Int(template.slotCount)
    guard unsafe shapes.count < BodyLimit.shapes, unsafe part.pointee.rankCount < 65_000,
      unsafe slotCount + slots + 1 <= BodyLimit.slots, unsafe nodes.count + slots + 2 <= Self.nodesMax
    else { return nil }
    let listsBefore = unsafe lists.count
    for slot in 0..<slots {
      let path = unsafe templatePaths[Int(template.firstPath) + slot]
      guard let list = unsafe lists.find(classIndex: classIndex, path: path) else { return nil }
      unsafe tokens[slot].node = list
    }
    unsafe slotCount += slots + 1
    if unsafe part.pointee.root == 0 {
      unsafe part.pointee.root = UInt32(nodes.count)
      unsafe nodes.append(
        ShapeNode(pieceStart: 0, pieceLength: 0, path: 0, list: 0, shape: 0, isString: false, parent: 0))
    }
    let leaf = unsafe addNodes(template, shape: UInt32(shapes.count + 1), root: part.pointee.root, tokens)
    unsafe shapes.append(
      Shape(
        template: number, leaf: leaf, slotCount: UInt16(slots), rank: UInt16(part.pointee.rankCount)))
    unsafe shapeOwners.append(owner)
    unsafe part.pointee.rankCount += 1
    unsafe part.pointee.note(lists: listsBefore..<lists.count)
    return unsafe shapes.count - 1
  }

  /// - Returns: the leaf.
  private mutating func addNodes(
    _ template: Template, shape: UInt32, root: UInt32, _ tokens: UnsafeMutablePointer<Token>
  ) -> UInt32 {
    let skeleton = unsafe templateBytes.start + Int(template.start)
    let length = Int(template.length)
    var parent = root
    var pieceStart = 0
    var slot = 0
    for offset in 0...length where unsafe offset == length || skeleton[offset] <= 2 {
      var node = ShapeNode(
        pieceStart: template.start + UInt32(pieceStart), pieceLength: UInt16(offset - pieceStart), path: 0, list: 0,
        shape: shape, isString: false, parent: parent)
      if offset < length {
        node.path = unsafe templatePaths[Int(template.firstPath) + slot]
        node.list = unsafe tokens[slot].node
        node.shape = 0
        node.isString = unsafe skeleton[offset] == 1
      }
      parent = unsafe child(like: node) ?? addNode(node)
      pieceStart = offset + 1
      slot += 1
    }
    return parent
  }

  private mutating func child(like node: ShapeNode) -> UInt32? {
    if node.shape != 0 { return nil }
    var number = unsafe nodes[Int(node.parent)].firstChild
    var tried = 0
    while number != 0, unsafe tried < Self.childrenTried {
      let known = unsafe nodes[Int(number)]
      if known.shape == 0, known.path == node.path, known.isString == node.isString,
        known.pieceLength == node.pieceLength,
        unsafe ByteScan.isSame(
          templateBytes.start + Int(known.pieceStart), templateBytes.start + Int(node.pieceStart),
          Int(node.pieceLength))
      {
        return number
      }
      number = known.next
      tried += 1
    }
    return nil
  }

  private mutating func addNode(_ node: ShapeNode) -> UInt32 {
    unsafe nodes.append(node)
    let number = unsafe UInt32(nodes.count - 1)
    unsafe link(number)
    return number
  }
}

extension PartState {
  fileprivate mutating func note(lists added: Range<Int>) {
    if listCount == 0 { firstList = UInt32(added.lowerBound) }
    if Int(firstList) + Int(listCount) == added.lowerBound { listCount += UInt32(added.count) }
  }
}

extension DictionaryTables {
  /// Asks for what the values of the next event are going to be compared with first, if it is of that type.
  @inline(__always) func prefetchLists(ofType typeNumber: UInt32) {
    let index = min(Int(typeNumber), BodyLimit.ownClasses)
    guard unsafe index < streamLists.count else { return }
    for part in (2 * index)...(2 * index + 1) {
      let state = unsafe parts[part]
      unsafe lists.prefetch(Int(state.firstList), min(Int(state.listCount), 32))
    }
  }
}
