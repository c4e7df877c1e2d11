import CGnuTLS
import Platform

/// Tokens: read from where they are, compared in constant time.
final class AccessControl: Sendable {
  enum Outcome: Equatable {
    /// No `Authorization: Bearer` at all.
    case missing
    case wrong
    case granted(AccessRights)
  }

  private struct Token {
    var rights: AccessRights
    var source: AccessToken
    var digest: [UInt8]
    var fileStatus: FileStatus?
  }

  private static let bytesMax = 4096
  private let tokens: Locked<[Token]>
  let hasTokens: Bool

  /// Nobody has a token.
  init() {
    hasTokens = false
    tokens = Locked([])
  }

  /// Reads the tokens.
  init(_ configuration: HTTPServerConfiguration) throws(HTTPServerError) {
    var tokens: [Token] = []
    for (rights, source) in [(AccessRights.read, configuration.readToken), (.write, configuration.writeToken)] {
      guard let source else { continue }
      let (text, status) = try Self.load(source, rights)
      tokens.append(Token(rights: rights, source: source, digest: Self.digest(text), fileStatus: status))
    }
    hasTokens = !tokens.isEmpty
    self.tokens = Locked(tokens)
  }

  /// What this value of `Authorization` allows. Takes the same time whichever token it is or is not.
  func check(authorization: String?) -> Outcome {
    guard let authorization else { return .missing }
    let text = Array(authorization.utf8)
    let scheme = Array("bearer ".utf8)
    guard text.count > scheme.count, zip(text, scheme).allSatisfy({ $0 | 0x20 == $1 | 0x20 }) else { return .wrong }
    let digest = Self.digest(Self.trimmed(text[scheme.count...]))
    let rights = tokens.withLock { tokens in
      // Every token is compared, and every byte of it, whatever was found already.
      var best = AccessRights.none
      for token in tokens {
        let same = Self.equal(token.digest, digest)
        if same { best = max(best, token.rights) }
      }
      return best
    }
    return rights == .none ? .wrong : .granted(rights)
  }

  /// Reads files again that changed. One that cannot be read, or holds nothing, leaves the old token valid.
  func refresh(log: Log) {
    for (index, token) in tokens.withLock({ $0 }).enumerated() {
      guard case .file(let path) = token.source else { continue }
      guard let status = try? Files.status(path) else {
        log.limitedWarning("http", "the token file \(path) cannot be read; the old token stays valid")
        continue
      }
      if status == token.fileStatus { continue }
      do {
        let (text, status) = try Self.load(token.source, token.rights)
        let digest = Self.digest(text)
        tokens.withLock { tokens in
          tokens[index].digest = digest
          tokens[index].fileStatus = status
        }
        log.info("http", "the token file \(path) was read again")
      } catch {
        log.limitedWarning("http", "\(error.message); the old token stays valid")
      }
    }
  }

  private static func load(
    _ source: AccessToken, _ rights: AccessRights
  ) throws(HTTPServerError) -> (text: [UInt8], status: FileStatus?) {
    let name = rights == .read ? "read" : "write"
    switch source {
    case .value(let text):
      let token = trimmed(Array(text.utf8)[...])
      try examine(token, "the \(name) token")
      return (token, nil)
    case .file(let path):
      do {
        // The status first: if the file changes in between, it differs from this and is read again.
        let status = try Files.status(path)
        let token = trimmed(try Files.read(path, bytesMax: bytesMax)[...])
        try examine(token, "the \(name) token in \(path)")
        return (token, status)
      } catch let error as FileError {
        throw HTTPServerError(
          .badToken, "the \(name) token: \(error)", hint: "Put the token into this file, readable for this user.")
      } catch let error as HTTPServerError {
        throw error
      } catch {
        throw HTTPServerError(.badToken, "the \(name) token: \(error)", hint: "Check the file.")
      }
    }
  }

  private static func examine(_ token: [UInt8], _ what: String) throws(HTTPServerError) {
    if token.isEmpty {
      throw HTTPServerError(.badToken, "\(what) is empty", hint: "Give a long random text, such as 32 hex digits.")
    }
    if token.count > bytesMax || token.contains(where: { $0 <= 0x20 || $0 >= 0x7f }) {
      throw HTTPServerError(
        .badToken, "\(what) holds blanks or characters that no header can carry, or over \(bytesMax) bytes",
        hint: "Use letters, digits and - . _ ~ + / = only.")
    }
  }

  private static func trimmed(_ text: ArraySlice<UInt8>) -> [UInt8] {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
    guard let first = text.firstIndex(where: { !isBlank($0) }), let last = text.lastIndex(where: { !isBlank($0) })
    else { return [] }
    return Array(text[first...last])
  }

  /// Digests have one length, so that comparing them tells nothing of the length of the token.
  private static func digest(_ text: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    let code = unsafe text.withUnsafeBytes { from in
      unsafe digest.withUnsafeMutableBytes { unsafe clew_sha256(from.baseAddress, from.count, $0.baseAddress) }
    }
    precondition(code == 0, "GnuTLS cannot compute SHA-256")
    return digest
  }

  private static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    var difference: UInt8 = 0
    for index in 0..<32 { difference |= a[index] ^ b[index] }
    return difference == 0
  }
}
