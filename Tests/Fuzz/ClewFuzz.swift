import Glibc
import TestSupport

/// Coverage-guided fuzzing of everything that reads bytes from outside, by the libFuzzer of the toolchain with the
/// address sanitizer. `make fuzz` runs every target for some seconds; by hand:
///
///     clew-fuzz --list
///     clew-fuzz --seeds FOLDER            writes inputs that are valid, as a start
///     clew-fuzz TARGET [libFuzzer's options] [FOLDER or FILE…]
struct FuzzTarget: Sendable {
  var name: String
  /// Longest input that is tried.
  var bytesMax: Int
  var seeds: @Sendable () throws -> [[UInt8]]
  /// Stops the process where a property does not hold.
  var run: @Sendable ([UInt8]) -> Void

  static let all: [FuzzTarget] =
    wireTargets + eventTargets + segmentTargets + codecTargets + blockTargets + eventStoreTargets
}

/// A property does not hold: libFuzzer writes the input to a file.
func broken(_ property: String) -> Never { fatalError("broken: \(property)") }

func demand(_ holds: Bool, _ property: @autoclosure () -> String) {
  if !holds { broken(property()) }
}

/// What a C callback without context can see.
nonisolated(unsafe) private var chosen: FuzzTarget?

@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ callback: @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32
) -> Int32

@main enum ClewFuzz {
  static func main() throws {
    let arguments = CommandLine.arguments
    if arguments.count == 2, arguments[1] == "--list" {
      for target in FuzzTarget.all { print(target.name) }
      return
    }
    if arguments.count == 3, arguments[1] == "--seeds" { return try writeSeeds(arguments[2]) }
    // libFuzzer starts this program again with options alone when it merges: the target is handed on beside them.
    let named = arguments.dropFirst().first.flatMap { $0.hasPrefix("-") ? nil : $0 }
    guard let name = named ?? TestSupport.environment("CLEW_FUZZ_TARGET"),
      let target = FuzzTarget.all.first(where: { $0.name == name })
    else {
      print("usage: clew-fuzz TARGET [options of libFuzzer] [corpus]; clew-fuzz --list; clew-fuzz --seeds FOLDER")
      exit(2)
    }
    setenv("CLEW_FUZZ_TARGET", name, 1)
    chosen = target
    var given = [arguments[0], "-max_len=\(target.bytesMax)"] + arguments.dropFirst(named == nil ? 1 : 2)
    var pointers: [UnsafeMutablePointer<CChar>?] = given.map { strdup($0) } + [nil]
    given = []
    var count = Int32(pointers.count - 1)
    let code = pointers.withUnsafeMutableBufferPointer { all in
      var start = all.baseAddress!
      return runDriver(&count, &start) { bytes, count in
        chosen?.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
        return 0
      }
    }
    exit(code)
  }

  private static func writeSeeds(_ folder: String) throws {
    for target in FuzzTarget.all {
      let directory = folder + "/" + target.name
      mkdir(folder, 0o755)
      mkdir(directory, 0o755)
      for (index, seed) in try target.seeds().enumerated() {
        guard let file = fopen("\(directory)/seed-\(index)", "w") else {
          throw TestSupportError("cannot write below \(directory)")
        }
        fwrite(seed, 1, seed.count, file)
        fclose(file)
      }
    }
  }
}

/// Takes an input apart into the arguments of a target: what is missing is 0.
struct Dice {
  private var bytes: ArraySlice<UInt8>

  init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

  var isEmpty: Bool { bytes.isEmpty }

  mutating func byte() -> UInt8 { bytes.popFirst() ?? 0 }

  mutating func word() -> Int { Int(byte()) | Int(byte()) << 8 }

  mutating func take(_ count: Int) -> [UInt8] {
    defer { bytes = bytes.dropFirst(count) }
    return Array(bytes.prefix(count))
  }

  mutating func rest() -> [UInt8] { take(bytes.count) }
}
