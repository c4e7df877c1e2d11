import WireFormats

/// What a reading command has at hand: its values, where answers come from, where output goes.
struct ReadingContext {
  var parsed: ParsedCommand
  var source: any AnswerSource
  var output: Output
  var style: Style
  /// Notes for people, on standard error.
  var note: (String) -> Void

  var wantsJSON: Bool { parsed.has("json") }
}

/// The answer was "no": nothing of that name; exit code 1.
struct NotFound: Error, Equatable {
  var message: String
}

extension ReadingContext {
  /// The whole answer as bytes.
  ///
  /// - Throws: `NotFound` for a 404, `Failure` for every other refusal.
  func fetch(_ path: [String], _ query: [(String, String)] = []) throws -> [UInt8] {
    var body: [UInt8] = []
    let answer = try source.get(path, query) { chunk in
      body += chunk
      return true
    }
    if answer.status == 200 { return body }
    throw Self.refusal(answer.status, answer.body)
  }

  func fetchJSON(_ path: [String], _ query: [(String, String)] = []) throws -> JSONValue {
    try Self.parse(try fetch(path, query))
  }

  static func parse(_ body: [UInt8]) throws -> JSONValue {
    do {
      return try JSONValue.parse(body)
    } catch {
      throw Failure("the answer is no JSON: \(error)", hint: "is there a Clew server at this address?")
    }
  }

  /// Prints the answer as it is, with a line feed behind it.
  func printJSON(_ body: [UInt8]) throws {
    try output.write(body)
    if body.last != 0x0a { try output.write("\n") }
  }

  /// The API's error form to ours; an answer of something that is no Clew is told by its status.
  static func refusal(_ status: Int, _ body: [UInt8]) -> any Error {
    let error = try? JSONValue.parse(body)
    let inside = error.flatMap { $0["error"] }
    let message = Printable.escaped(inside?["message"]?.string ?? "the server answered with status \(status)")
    if status == 404, inside?["code"]?.string != "no_such_route" { return NotFound(message: message) }
    var hint = Printable.escaped(inside?["hint"]?.string ?? "")
    if status == 401 || status == 403, hint.isEmpty { hint = "give a token: CLEW_TOKEN, or --token-file FILE" }
    return Failure(message, hint: hint)
  }

  /// What the answer says is missing, to standard error: data stays data.
  func noteWarnings(_ answer: JSONValue) {
    for warning in answer["warnings"]?.array ?? [] {
      note("warning: \(Printable.escaped(warning["message"]?.string ?? warning["code"]?.string ?? ""))")
    }
  }

  /// Query parameters from the options that were given.
  func parameters(_ names: [(option: String, parameter: String)]) -> [(String, String)] {
    names.compactMap { name in parsed.value(name.option).map { (name.parameter, $0) } }
  }

  /// As the API takes times: RFC 3339, or a duration before now.
  var rangeParameters: [(String, String)] { parameters([("since", "since"), ("until", "until")]) }
}
