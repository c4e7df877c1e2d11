/// Where in the metadata of an event its ids, its handler and its failure are found.
///
/// Keys are members of the metadata object's top level. Which one counts, where several are there: an exact spelling
/// before a loose one (`ReadingRules.exactKeys` switches loose ones off), then the order of the list, then the last in
/// the text. A key whose value is null, empty or blank counts as not being there. Loose matching ignores case, `$`,
/// `-`, `_` and `.`.
public struct MetadataProfile: Hashable, Sendable {
  public var name: String
  public var correlationKeys: [String]
  public var causationKeys: [String]
  public var handlerKeys: [String]
  public var serviceKeys: [String]
  /// Keys whose mere presence with a value (not null, false, "" , 0, {} or []) makes the event a failure.
  public var failureKeys: [String]
  /// Where no correlation (causation) key is there, the trace id (parent span id) of a W3C `traceparent` serves.
  public var usesTraceparent: Bool

  public init(
    name: String, correlationKeys: [String], causationKeys: [String],
    handlerKeys: [String] = MetadataProfile.commonHandlerKeys,
    serviceKeys: [String] = MetadataProfile.commonServiceKeys, failureKeys: [String] = [],
    usesTraceparent: Bool = false
  ) {
    self.name = name
    self.correlationKeys = correlationKeys
    self.causationKeys = causationKeys
    self.handlerKeys = handlerKeys
    self.serviceKeys = serviceKeys
    self.failureKeys = failureKeys
    self.usesTraceparent = usesTraceparent
  }

  public static let commonHandlerKeys = ["handler", "consumer"]
  public static let commonServiceKeys = ["service", "serviceName"]

  /// KurrentDB's convention; `$causedBy` is what its server projections write.
  public static let kurrentdb = MetadataProfile(
    name: "kurrentdb", correlationKeys: ["$correlationId"], causationKeys: ["$causationId", "$causedBy"])

  /// Axon up to version 4: its `traceId` is the correlation, its `correlationId` the cause. Axon 5 writes
  /// `correlationId` and `causationId`, which `kurrentdb` reads.
  public static let axon = MetadataProfile(
    name: "axon", correlationKeys: ["traceId"], causationKeys: ["correlationId"])

  public static let nservicebus = MetadataProfile(
    name: "nservicebus", correlationKeys: ["NServiceBus.ConversationId", "NServiceBus.CorrelationId"],
    causationKeys: ["NServiceBus.RelatedTo"],
    handlerKeys: ["handler", "NServiceBus.OriginatingEndpoint", "NServiceBus.ProcessingEndpoint"],
    failureKeys: ["NServiceBus.FailedQ", "NServiceBus.ExceptionInfo.ExceptionType"])

  public static let masstransit = MetadataProfile(
    name: "masstransit", correlationKeys: ["ConversationId", "MT-ConversationId"],
    causationKeys: ["InitiatorId", "MT-InitiatorId"],
    handlerKeys: ["handler", "messaging.masstransit.consumer_type", "consumer"],
    failureKeys: ["MT-Fault-ExceptionType", "MT-Fault-Message"])

  public static let eventuous = MetadataProfile(
    name: "eventuous", correlationKeys: ["eventuous.correlation-id", "correlation-id"],
    causationKeys: ["eventuous.causation-id", "causation-id"])

  /// Marten and Wolverine. Their default causation id is a span id, which is a link and no cause.
  public static let marten = MetadataProfile(
    name: "marten", correlationKeys: ["correlation_id", "correlation-id"],
    causationKeys: ["causation_id", "causation-id"])

  public static let emmett = MetadataProfile(
    name: "emmett", correlationKeys: ["correlationId"], causationKeys: ["causationId"])

  /// Rails Event Store.
  public static let rails = MetadataProfile(
    name: "rails", correlationKeys: ["correlation_id"], causationKeys: ["causation_id"])

  /// Extensions of CloudEvents.
  public static let cloudevents = MetadataProfile(
    name: "cloudevents", correlationKeys: ["correlationid"], causationKeys: ["causationid"], usesTraceparent: true)

  public static let all = [
    kurrentdb, axon, nservicebus, masstransit, eventuous, marten, emmett, rails, cloudevents,
  ]

  /// The names of all profiles, for messages.
  public static var names: [String] { all.map(\.name) }

  /// The profile of this name; case does not matter.
  public static func named(_ name: String) -> MetadataProfile? {
    all.first { $0.name == name.lowercased() }
  }
}
