extension DecodedBlock {
  mutating func putWords(_ numbers: UnsafeMutablePointer<ByteReader>, _ sink: inout ByteSink) throws(BodyError) {
    // Each word has a byte.
    let count = unsafe try numbers.pointee.number(max: wordCodes.remaining)
    guard count > 0 else { throw .invalid }
    let starts = unsafe dictionary.pointee.wordStarts
    for index in 0..<count {
      if index > 0 {
        unsafe try room(1, &sink)[0] = 0x20
        sink.count += 1
      }
      let code = unsafe Int(try wordCodes.byte())
      if code == 0 {
        let length = unsafe try numbers.pointee.number(max: texts.remaining)
        unsafe try copy(texts.take(length), length, &sink)
        continue
      }
      var number = code - 1
      if code > BodyLimit.nearWords {
        number = unsafe BodyLimit.nearWords + (number - BodyLimit.nearWords) << 8 + Int(try hexBytes.byte())
      }
      guard unsafe number + 1 < starts.count else { throw .invalid }
      let start = unsafe Int(starts[number])
      unsafe try copyKnown(dictionary.pointee.bytes + start, Int(starts[number + 1]) - start, &sink)
    }
  }

  mutating func skipWords(_ numbers: UnsafeMutablePointer<ByteReader>) throws(BodyError) {
    let count = unsafe try numbers.pointee.number(max: wordCodes.remaining)
    for _ in 0..<count {
      let code = unsafe Int(try wordCodes.byte())
      if code == 0 {
        _ = unsafe try texts.take(numbers.pointee.number(max: texts.remaining))
      } else if code > BodyLimit.nearWords {
        _ = unsafe try hexBytes.byte()
      }
    }
  }
}
