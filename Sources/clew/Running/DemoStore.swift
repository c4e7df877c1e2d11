import DemoShop
import HTTPClient
import KurrentDBSource
import Platform
import WireFormats

/// `clew demo --store`: the event store that the shop writes to, and that Clew follows.
struct DemoStore {
  private let url: String
  private let address: KurrentDBAddress

  /// - Throws: for an address that is none of an event store.
  init(_ url: String) throws(Failure) {
    guard KurrentDBAddress.claims(url) else {
      throw Failure(
        "the shop can write to EventStoreDB and KurrentDB only",
        hint: "for example --store 'kurrentdb://localhost:2113?tls=false'")
    }
    self.url = url
    do {
      address = try KurrentDBAddress.parse(url)
    } catch {
      throw Failure(Printable.escaped(error.message), hint: Printable.escaped(error.hint))
    }
  }

  /// Of the source, and where it is; neither holds a secret.
  var name: String { address.name }
  var location: String { address.location }

  var source: SourceSettings { SourceSettings(url: url, name: address.name) }

  var access: EventStoreAccess {
    let scheme = address.usesTLS ? "https" : "http"
    let servers = address.hosts.map { host in
      "\(scheme)://" + (host.name.contains(":") ? "[\(host.name)]" : host.name) + ":\(host.port)"
    }
    let secret = address.user.map { Base64.encode(Array("\($0):\(address.password ?? "")".utf8)) }
    return EventStoreAccess(
      servers: servers, authorization: secret.map { "Basic " + String(decoding: $0, as: UTF8.self) },
      options: HTTPClientOptions(
        caFile: address.caFile, clientCertificateFile: address.certificateFile, clientKeyFile: address.keyFile,
        verifiesServer: address.verifiesServer))
  }

  /// Looks whether Clew can read the event store and the shop can write to it, and makes the shop's group.
  func prepare() throws(Failure) {
    // Events without ids are no hindrance: the shop's own have them.
    let hindrance = SourceCheck(address).run().first { $0.state == .fails && $0.topic != "ids" }
    if let hindrance {
      throw Failure(
        "\(address.location) cannot be followed: \(Printable.escaped(hindrance.text))",
        hint: Printable.escaped(hindrance.hint))
    }
    do {
      try DemoShop.prepare(access)
    } catch {
      throw Failure(
        "the shop cannot use \(address.location): \(Printable.escaped(error.message))",
        hint: Printable.escaped(error.hint)
      )
    }
  }
}
