/// The nearest name to a mistyped one.
enum Suggestion {
  /// "did you mean 'X'?" where a name is near enough, else `otherwise`.
  static func hint(_ word: String, among names: [String], otherwise: String) -> String {
    guard let name = nearest(word, among: names) else { return otherwise }
    return "did you mean '\(name)'?"
  }

  /// The name with the fewest edits, if they are at most a third of its length (at least 1, a beginning counts as near).
  static func nearest(_ word: String, among names: [String]) -> String? {
    let typed = Array(word.lowercased().utf8.prefix(64))
    var best: (edits: Int, name: String)?
    for name in names {
      let known = Array(name.lowercased().utf8)
      var edits = distance(typed, known)
      if typed.count >= 4 && known.starts(with: typed) { edits = min(edits, 1) }
      if edits <= max(1, known.count / 3) && edits < best?.edits ?? .max { best = (edits, name) }
    }
    return best?.name
  }

  /// Insertions, deletions, replacements and swaps of neighbours between two words.
  static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
    if a.isEmpty { return b.count }
    if b.isEmpty { return a.count }
    var older = [Int](repeating: 0, count: b.count + 1)
    var previous = Array(0...b.count)
    for i in 1...a.count {
      var current = [i] + [Int](repeating: 0, count: b.count)
      for j in 1...b.count {
        let change = a[i - 1] == b[j - 1] ? 0 : 1
        current[j] = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change)
        if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
          current[j] = min(current[j], older[j - 2] + 1)
        }
      }
      older = previous
      previous = current
    }
    return previous[b.count]
  }
}
