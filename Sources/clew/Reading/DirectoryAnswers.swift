import HTTPServer
import Platform
import SegmentStore
import TraceServer
import TraceStore

/// The API over a directory, in process: the same JSON as a server gives, beside a running server too.
final class DirectoryAnswers: AnswerSource {
  let name: String
  private let store: SegmentStore
  private let api: ClewAPI

  init(_ directory: String) throws {
    name = directory
    let log = Log(minimum: .warning)
    var options = StoreOptions()
    options.mode = .readOnly
    store = try StoreFactory.open(directory, options, log)
    var apiOptions = ClewAPI.Options()
    apiOptions.version = Version.number
    api = ClewAPI(reader: store, options: apiOptions, log: log)
  }

  deinit { store.close() }

  func get(
    _ path: [String], _ query: [(String, String)], onChunk: ([UInt8]) throws -> Bool
  ) throws -> (status: Int, body: [UInt8]) {
    let request = HTTPRequest(
      method: "GET", path: path.map { Array($0.utf8) }, query: query.map { ($0.0, Array($0.1.utf8)) })
    let response = api.respond(to: request)
    switch response.body {
    case .bytes(let bytes):
      if response.status != 200 { return (response.status, bytes) }
      _ = try onChunk(bytes)
    case .chunks(let chunks):
      defer { chunks.cancel() }
      while let chunk = chunks.next() {
        if try !onChunk(chunk) { return (response.status, []) }
      }
      if chunks.failed {
        let reason = (chunks as? ExportChunks)?.failure ?? "the store could not be read to its end"
        throw Failure(
          "the answer is incomplete: \(Printable.escaped(reason))", hint: "'clew verify' says what is damaged")
      }
    }
    return (response.status, [])
  }
}
