import HTTPClient
import Platform

/// Where a reading command gets its answers: the API of a server, or the same API over a directory, in process.
protocol AnswerSource: AnyObject {
  /// - Parameters:
  ///   - path: segments, not encoded.
  ///   - onChunk: gets the body of a successful answer as it arrives; false ends it.
  /// - Returns: the status, and the body where it was not handed to `onChunk`.
  /// - Throws: `Failure` if there is no answer, or only a part of it.
  func get(
    _ path: [String], _ query: [(String, String)], onChunk: ([UInt8]) throws -> Bool
  ) throws -> (status: Int, body: [UInt8])

  /// For messages: the address or the directory.
  var name: String { get }
}

/// A server, over HTTP.
final class ServerAnswers: AnswerSource {
  static let defaultAddress = "http://127.0.0.1:9797"

  /// A server that says nothing for so long is given up.
  static let silenceSeconds = 120.0

  let name: String
  private let client: HTTPClient
  private let isDefault: Bool

  init(url: String?, options: HTTPClientOptions) throws {
    var address = url ?? Self.defaultAddress
    if !address.contains("://") { address = "http://" + address }
    guard address.hasPrefix("http://") || address.hasPrefix("https://") else {
      throw Failure(
        "--server \(Printable.quoted(address)) is no address of a server", hint: "for example http://127.0.0.1:9797")
    }
    while address.hasSuffix("/") { address.removeLast() }
    name = address
    isDefault = url == nil
    client = HTTPClient(options: options)
  }

  func get(
    _ path: [String], _ query: [(String, String)], onChunk: ([UInt8]) throws -> Bool
  ) throws -> (status: Int, body: [UInt8]) {
    var url = name + "/" + path.map(PercentEncoding.encode).joined(separator: "/")
    if !query.isEmpty {
      url += "?" + query.map { "\(PercentEncoding.encode($0))=\(PercentEncoding.encode($1))" }.joined(separator: "&")
    }
    var thrown: (any Error)?
    // Exports are sorted before their first byte, and live events come when they come: only other answers are due.
    let isDue = !path.contains("export") && !path.contains("tail")
    var lastChunk = Instant.now
    var isLate = false
    do {
      let answer = try client.stream(
        url,
        shouldStop: {
          isLate = isDue && Instant.now.seconds(since: lastChunk) > Self.silenceSeconds
          return isLate
        }
      ) { chunk in
        lastChunk = .now
        do {
          return try onChunk(chunk)
        } catch {
          thrown = error
          return false
        }
      }
      if let thrown { throw thrown }
      if isLate {
        throw Failure(
          "\(name) said nothing for \(Int(Self.silenceSeconds)) s", hint: "is it overloaded? See its /metrics")
      }
      return (answer.status, answer.body)
    } catch let error as HTTPClientError {
      throw Failure(error.message, hint: hint(error))
    }
  }

  private func hint(_ error: HTTPClientError) -> String {
    if isDefault && error.code == .refused {
      return
        "no server is running there; start one with 'clew serve' or 'clew demo', or read a directory with --data DIR"
    }
    return error.hint
  }
}

/// RFC 3986: everything but unreserved characters, byte by byte.
enum PercentEncoding {
  static func encode(_ text: String) -> String {
    var encoded: [UInt8] = []
    let digits = Array("0123456789ABCDEF".utf8)
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        encoded.append(byte)
      default: encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: encoded, as: UTF8.self)
  }
}
