public import EventModel

/// What is known of an event before its body is decoded: values of the body that equal one of these cost one byte.
///
/// `@unsafe`: the slices are valid as long as their owners say. They must not point into the sink that is decoded into,
/// which may move.
@unsafe public struct BodyContext {
  /// Which of the identifiers are UUIDs (`idIsUUID`, `correlationIsUUID`, `causeIsUUID`).
  public var flags: EventFrame.Flags = []
  public var created: Int64 = 0
  /// As stored: 16 bytes or a text; empty where absent.
  public var id = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var correlation = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var cause = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var service = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var handler = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  public var schemaVersion = unsafe UnsafeRawBufferPointer(start: nil, count: 0)

  public init() {}
}
