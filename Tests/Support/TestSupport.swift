import Glibc

/// Places that tests need.
public enum TestSupport {
  /// The checkout: the directory of `Package.swift`.
  public static let packageRoot: String = {
    let parts = #filePath.split(separator: "/")
    return "/" + parts.dropLast(3).joined(separator: "/")
  }()

  /// The folder that is shared with the project: `CLEW_SHARED`, else `shared` beside the checkout; nil if missing.
  public static let sharedDirectory: String? = {
    let given = environment("CLEW_SHARED")
    for path in [given, packageRoot + "/../shared"] {
      if let path, unsafe access(path + "/data/README.md", R_OK) == 0 { return path }
    }
    return nil
  }()

  /// The event files with ground truth; nil if they are not here: use `.enabled(if:)` with `hasSharedData`.
  public static var sharedDataDirectory: String? { sharedDirectory.map { $0 + "/data" } }

  public static var hasSharedData: Bool { sharedDirectory != nil }

  /// For `.enabled(if: TestSupport.hasSharedData, TestSupport.sharedDataHint)`.
  public static let sharedDataHint = "needs the shared data: set CLEW_SHARED or place `shared` beside the checkout"

  public static func environment(_ name: String) -> String? {
    guard let value = unsafe getenv(name) else { return nil }
    return unsafe String(cString: value)
  }

  /// The built program of this name, beside the test bundle that is running; nil if it was not built.
  public static func builtProgram(_ name: String) -> String? {
    let candidates = [".build/debug", ".build/release"].map { packageRoot + "/" + $0 + "/" + name }
    var beside: [String] = []
    if let own = try? ownExecutable() {
      var directory = own
      for _ in 0..<4 {
        directory = directory.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
        beside.append(directory + "/" + name)
      }
    }
    return (beside + candidates).first { unsafe access($0, X_OK) == 0 }
  }

  private static func ownExecutable() throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = unsafe readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { throw TestSupportError("cannot read /proc/self/exe") }
    return String(decoding: buffer[0..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

/// What went wrong in the test's own machinery.
public struct TestSupportError: Error, CustomStringConvertible {
  public var description: String
  public init(_ description: String) { self.description = description }
}

extension TestSupport {
  /// A program of the system is installed in `/usr/bin`.
  public static func hasProgram(_ name: String) -> Bool { unsafe access("/usr/bin/" + name, X_OK) == 0 }
}
