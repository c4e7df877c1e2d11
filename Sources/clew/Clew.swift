import Platform

@main struct Clew {
  static func main() {
    FileDescriptor.standardOutput.writeIgnoringErrors("clew\n")
  }
}
