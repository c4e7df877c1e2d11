import EventModel
public import WireFormats

/// The event files with ground truth, read without the product's own reader.
public enum SharedEvents {
  /// The five files whose truth has hashes of all traces and edges.
  public static let hashed = ["tt-dev", "tt-dev-endform", "ob-dev", "sepsis-dev", "zipkin-real"]

  /// The bytes of a file of the shared data, unpacked if its name ends with `.gz`.
  public static func bytes(_ name: String) throws -> [UInt8] {
    guard let directory = TestSupport.sharedDataDirectory else { throw TestSupportError(TestSupport.sharedDataHint) }
    let path = directory + "/" + name
    let result = try ChildProcess.run(name.hasSuffix(".gz") ? "zcat" : "cat", [path])
    guard result.end == .exited(0) else { throw TestSupportError("cannot read \(path): \(result.errorText)") }
    return result.output
  }

  /// The ground truth of a file of this name.
  public static func truth(_ name: String) throws -> JSONValue { try JSONValue.parse(bytes(name + ".truth.json")) }

  /// All events of `<name>.ndjson.gz`, in the order of the lines; data and metadata as parsed and written again.
  public static func events(_ name: String) throws -> [TestEvent] {
    try bytes(name + ".ndjson.gz").split(separator: 0x0a).map { line in
      let value = try JSONValue.parse(Array(line))
      let metadata = value["metadata"]
      guard let id = value["id"]?.string, let type = value["type"]?.string, let created = value["created"]?.string,
        let nanoseconds = RFC3339.parse(created)
      else { throw TestSupportError("\(name) has a line without id, type or created") }
      let status = metadata?["status"]?.string
      return TestEvent(
        id, trace: metadata?["$correlationId"]?.string, cause: metadata?["$causationId"]?.string,
        stream: value["stream"]?.string ?? "", type: type, created: Timestamp(nanoseconds: nanoseconds),
        service: metadata?["service"]?.string ?? "", handler: metadata?["handler"]?.string ?? "",
        failure: status == "error" || status == "failed" ? .metadata : .none,
        data: value["data"].map { String(decoding: $0.encoded, as: UTF8.self) },
        metadata: metadata.map { String(decoding: $0.encoded, as: UTF8.self) })
    }
  }
}
