import EventModel

extension ReadingRules {
  /// Every mistake in the rules, in plain words; empty if they can be used. For checking a configuration.
  public func problems() -> [String] {
    var found: [String] = []
    let keys = MetadataRole.allCases.flatMap { CompiledRules.keys(of: $0, self, profile.withCloudEventKeys) }
    if keys.count > KeyTable.keyCountMax {
      found.append("there are \(keys.count) metadata keys, the limit is \(KeyTable.keyCountMax)")
    }
    for key in keys where key.isEmpty || key.utf8.count > KeyTable.keyBytesMax {
      found.append("a metadata key has 1 to \(KeyTable.keyBytesMax) bytes, not \(key.utf8.count)")
    }
    for rule in handlerRules {
      if rule.handler.isEmpty || rule.handler.utf8.count > EventFrame.nameBytesMax {
        found.append("a handler rule needs the name of a handler, of at most \(EventFrame.nameBytesMax) bytes")
      }
      if rule.typePattern == nil && rule.categoryPattern == nil {
        found.append("the rule for handler \(rule.handler) names neither a type nor a category")
      }
      if (rule.service ?? "").utf8.count > EventFrame.nameBytesMax {
        found.append("a service has at most \(EventFrame.nameBytesMax) bytes")
      }
    }
    if !(1...(1 << 30)).contains(payloadBytesMax) {
      found.append("the limit of payloads is 1 to \(1 << 30) bytes, not \(payloadBytesMax)")
    }
    for path in redactedPaths {
      let names = path.split(separator: ".", omittingEmptySubsequences: false)
      if names.count < 2 || names.count > 512 || names.contains("") || (names[0] != "data" && names[0] != "metadata") {
        found.append("the redacted path “\(path)” is not of the form data.name or metadata.name")
      }
    }
    return found
  }
}
