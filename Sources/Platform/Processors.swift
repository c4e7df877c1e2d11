/// What the kernel says of the processors that this process may use: those that it may run on, and the time that its
/// control group may take, as containers have it.
///
/// Source: proc_pid_status(5), "Cpus_allowed"; the kernel's Documentation/admin-guide/cgroup-v2.rst, "cpu.max", and
/// scheduler/sched-bwc.rst for version 1.
enum Processors {
  /// Those of the calling thread; nil where it cannot be read.
  static var allowedHere: Int? { text("/proc/thread-self/status").flatMap { allowed(status: $0) } }

  /// Whole processors, rounded up; nil without a limit, or where none can be read.
  static var quotaHere: Int? { smallestQuota(groups: text("/proc/self/cgroup") ?? "", read: text) }

  /// - Parameter status: its line of allowed processors is a mask of hexadecimal words with commas between them.
  static func allowed(status: String) -> Int? {
    let name = "Cpus_allowed:"
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
    let digits = line.dropFirst(name.count).filter { $0 != "," && !$0.isWhitespace }
    var count = 0
    for digit in digits {
      guard let value = digit.hexDigitValue else { return nil }
      count += value.nonzeroBitCount
    }
    return count > 0 ? count : nil
  }

  private static func text(_ path: String) -> String? {
    (try? Files.read(path, bytesMax: 64 << 10)).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The smallest limit of a group and those above it.
  ///
  /// - Parameters:
  ///   - groups: what `/proc/self/cgroup` says.
  ///   - read: the text of a file; nil if it is not there.
  static func smallestQuota(groups: String, read: (String) -> String?) -> Int? {
    var limits: [Int] = []
    for line in groups.split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isSecond = parts[0] == "0" && parts[1].isEmpty
      guard isSecond || parts[1].split(separator: ",").contains("cpu") else { continue }
      let root = isSecond ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu"
      var group = parts[2] == "/" ? "" : parts[2]
      while true {
        if let limit = isSecond ? second(root + group, read) : first(root + group, read) { limits.append(limit) }
        guard let slash = group.lastIndex(of: "/") else { break }
        group = group[..<slash]
      }
    }
    return limits.min()
  }

  private static func second(_ directory: String, _ read: (String) -> String?) -> Int? {
    guard let words = read(directory + "/cpu.max")?.split(whereSeparator: \.isWhitespace), words.count == 2 else {
      return nil
    }
    return processors(Int(words[0]), Int(words[1]))
  }

  private static func first(_ directory: String, _ read: (String) -> String?) -> Int? {
    func number(_ name: String) -> Int? {
      read(directory + name)?.split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
    }
    return processors(number("/cpu.cfs_quota_us"), number("/cpu.cfs_period_us"))
  }

  /// "max", or a quota of -1, is no limit.
  private static func processors(_ quota: Int?, _ period: Int?) -> Int? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return max(1, quota / period + (quota % period > 0 ? 1 : 0))
  }
}
