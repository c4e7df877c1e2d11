/// The roles of metadata keys, each with its place in the table of keys.
enum MetadataRole: Int, CaseIterable {
  case correlation, causation, traceparent, handler, service, status, error, failure, schemaVersion
}

/// Rules as the reader needs them: all keys in one table, patterns as bytes.
final class CompiledRules {
  struct CompiledHandlerRule {
    let type: Glob?
    let category: Glob?
    let handler: [UInt8]
    let service: [UInt8]
  }

  let keys: KeyTable
  /// Bits of a role's keys, in the order of the list from the lowest on.
  private let masks: [UInt64]
  let handlerRules: [CompiledHandlerRule]
  let failurePatterns: [Glob]
  let usesTraceparent: Bool

  init(_ rules: ReadingRules, profile: MetadataProfile) {
    var keys: [String] = []
    var masks: [UInt64] = []
    for role in MetadataRole.allCases {
      let wanted = Self.keys(of: role, rules, profile)
      var mask: UInt64 = 0
      for key in wanted {
        if keys.count < KeyTable.keyCountMax { mask |= 1 << UInt64(keys.count) }
        keys.append(key)
      }
      masks.append(mask)
    }
    self.keys = KeyTable(keys, loose: !rules.exactKeys)
    self.masks = masks
    handlerRules = rules.handlerRules.map {
      CompiledHandlerRule(
        type: $0.typePattern.map(Glob.init), category: $0.categoryPattern.map(Glob.init),
        handler: Array($0.handler.utf8), service: Array(($0.service ?? "").utf8))
    }
    failurePatterns = rules.failureTypePatterns.map(Glob.init)
    usesTraceparent = profile.usesTraceparent
  }

  @inline(__always) func mask(_ role: MetadataRole) -> UInt64 { masks[role.rawValue] }

  static func keys(of role: MetadataRole, _ rules: ReadingRules, _ profile: MetadataProfile) -> [String] {
    switch role {
    case .correlation: profile.correlationKeys
    case .causation: profile.causationKeys
    case .traceparent: profile.usesTraceparent ? ["traceparent"] : []
    case .handler: profile.handlerKeys
    case .service: profile.serviceKeys
    case .status: ["status", "outcome"]
    case .error: ["error"]
    case .failure: profile.failureKeys
    case .schemaVersion: rules.schemaVersionKeys
    }
  }
}
