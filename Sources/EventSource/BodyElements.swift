import Platform
import WireFormats

/// What a body of several JSON values is made of.
enum BodyForm: Equatable {
  case lines
  case array
  /// One object, over any number of lines.
  case single
}

/// Takes a body apart into its elements, each with its number.
struct BodyElements {
  enum Element {
    case bytes(Range<Int>)
    /// Nothing behind this place can be read.
    case broken(String)
  }

  let form: BodyForm
  private var index: Int
  private var isFirst = true
  private var isDone = false
  /// Elements given so far.
  private(set) var number = 0

  /// - Parameter onlyLines: the content type says so; else the first bytes decide.
  init(_ body: UnsafeRawBufferPointer, onlyLines: Bool) {
    let hasMark = unsafe body.count >= 3 && body[0] == 0xef && body[1] == 0xbb && body[2] == 0xbf
    let start = hasMark ? 3 : 0
    index = start
    form = unsafe onlyLines ? .lines : Self.form(body, start)
  }

  /// `[` is an array; an object that goes over a line feed and is the whole body is a single one; else lines.
  private static func form(_ body: UnsafeRawBufferPointer, _ start: Int) -> BodyForm {
    let rest = unsafe UnsafeRawBufferPointer(rebasing: body[start...])
    guard let first = unsafe rest.first(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0a && $0 != 0x0d }) else {
      return .lines
    }
    if first == 0x5b { return .array }
    guard first == 0x7b else { return .lines }
    var scanner = unsafe JSONScanner(rest)
    guard let value = try? scanner.value(), scanner.sawLineBreak, (try? scanner.finish()) != nil else { return .lines }
    return unsafe ByteSearch.first(0x0a, in: UnsafeRawBufferPointer(rebasing: rest[value.range])) == nil
      ? .lines : .single
  }

  /// The next element, or nil at the end.
  mutating func next(_ body: UnsafeRawBufferPointer) -> Element? {
    if isDone { return nil }
    switch form {
    case .lines: return unsafe nextLine(body)
    case .single:
      isDone = true
      number += 1
      return .bytes(index..<body.count)
    case .array:
      do throws(JSONError) {
        return unsafe try nextOfArray(body)
      } catch {
        isDone = true
        number += 1
        return .broken("\(error.description); nothing behind it was read")
      }
    }
  }

  private mutating func nextLine(_ body: UnsafeRawBufferPointer) -> Element? {
    guard index < body.count else { return nil }
    number += 1
    let start = index
    let length = unsafe ByteSearch.first(0x0a, in: UnsafeRawBufferPointer(rebasing: body[start...]))
    index = start + (length ?? body.count - start) + 1
    return .bytes(start..<(index - 1))
  }

  private mutating func nextOfArray(_ body: UnsafeRawBufferPointer) throws(JSONError) -> Element? {
    let base = index
    var scanner = unsafe JSONScanner(UnsafeRawBufferPointer(rebasing: body[base...]))
    func moved(_ error: JSONError) -> JSONError { JSONError(error.reason, at: error.offset + base) }
    do throws(JSONError) {
      let more = isFirst ? try scanner.beginArray() : try scanner.hasNextElement()
      isFirst = false
      guard more else {
        try scanner.finish()
        isDone = true
        return nil
      }
      let value = try scanner.value()
      index = base + value.end
      number += 1
      return .bytes((base + value.start)..<(base + value.end))
    } catch {
      throw moved(error)
    }
  }
}

/// What a content type means for the form of a body.
enum BodyType {
  case lines, json, cloudEvent, cloudEventBatch

  /// - Throws: `.unsupported` for what is no JSON.
  static func of(_ contentType: String?) throws(EventReadError) -> BodyType {
    guard let contentType else { return .json }
    let media = contentType.prefix { $0 != ";" }.lowercased().filter { $0 != " " && $0 != "\t" }
    switch media {
    case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
      "application/json-lines", "application/jsonlines", "application/x-jsonl":
      return .lines
    case "application/cloudevents+json": return .cloudEvent
    case "application/cloudevents-batch+json": return .cloudEventBatch
    // What clients send that were told nothing.
    case "", "application/json", "text/json", "text/plain", "application/octet-stream",
      "application/x-www-form-urlencoded":
      return .json
    default:
      if media.hasSuffix("+json") { return .json }
      throw EventReadError(
        .unsupported, "the content type \(media) is not read",
        hint: "send application/x-ndjson, application/json, application/cloudevents+json or "
          + "application/cloudevents-batch+json")
    }
  }
}
