import EventModel
import TestSupport
import Testing
import WireFormats

@testable import KurrentDBSource

@Suite struct ClusterTests {
  private func member(_ port: Int, _ state: ClusterMember.State?, alive: Bool = true) -> ClusterMember {
    ClusterMember(host: KurrentDBAddress.Host(name: "n", port: port), state: state, isAlive: alive)
  }

  private func ports(
    _ members: [ClusterMember], _ preference: KurrentDBAddress.NodePreference, random: (Int) -> Int = { $0 - 1 }
  ) -> [Int] { ClusterMember.order(members, preference, random: random).map(\.port) }

  @Test func `the preferred kind of node comes first, others after it, and what cannot be read from never`() {
    let members = [
      member(1, .leader), member(2, .follower), member(3, .readOnlyReplica), member(4, .catchingUp),
      member(5, .leader, alive: false), member(6, nil), member(7, .shuttingDown),
    ]
    #expect(ports(members, .leader) == [1, 2, 3])
    #expect(ports(members, .follower) == [2, 1, 3])
    #expect(ports(members, .readOnlyReplica) == [3, 2, 1])
    #expect(Set(ports(members, .random)) == [1, 2, 3])
    #expect(ports([member(4, .clone)], .leader) == [])
  }

  @Test func `among equals chance decides`() {
    let members = (1...3).map { member($0, .follower) }
    #expect(ports(members, .follower) == [1, 2, 3])
    #expect(ports(members, .follower, random: { _ in 0 }) != [1, 2, 3])
    #expect(Set(ports(members, .follower, random: { _ in 0 })) == [1, 2, 3])
  }

  @Test(.enabled(if: TestSupport.hasSharedData, "needs the shared data"), arguments: Recording.servers)
  func `the gossip and the features of real servers are read`(_ server: String) throws {
    for call in try Recording.named("cluster-gossip", server: server).calls() where !call.received.isEmpty {
      let members = try ClusterMember.read(call.received[0].bytes)
      #expect(members.count == 3)
      #expect(members.allSatisfy { $0.isAlive && $0.host.name == "127.0.0.1" })
      #expect(members.filter { $0.state == .leader }.count == 1)
      #expect(members.filter { $0.state == .follower }.count == 2)
      #expect(ClusterMember.order(members, .follower, random: { _ in 0 }).count == 3)
    }
    let features = try Recording.named("features", server: server).calls()
    let answer = try #require(features.first { $0.path.hasSuffix("GetSupportedMethods") && !$0.received.isEmpty })
    let read = try ServerFeatures.read(answer.received[0].bytes)
    #expect(server.hasSuffix(read.version), "\(read.version)")
    #expect(read.methods.contains("event_store.client.streams.streams/read"))
  }

  @Test func `a request says what it must, and nothing of one place twice`() throws {
    let place = SourcePosition(major: 500, minor: 400)
    let subscription = ReadRequest(kind: .subscription(after: place), filter: .usual).message
    let request = try RecordedRequest(subscription)
    #expect(request.isAll && request.isSubscription && !request.isBackwards)
    #expect(request.position?.commit == 500 && request.position?.prepare == 400)
    let options = try RecordedRequest.fields(RecordedRequest.field(1, subscription))
    #expect(options.map(\.number) == [2, 6, 7, 9], "all, subscription, filter, form of ids")
    let head = try RecordedRequest.fields(
      RecordedRequest.field(1, ReadRequest(kind: .latest(1), filter: .none).message))
    #expect(head.map(\.number) == [2, 3, 5, 8, 9], "all, backwards, count, no filter, form of ids")
    let start = try RecordedRequest(ReadRequest(kind: .subscription(after: nil), filter: .none).message)
    #expect(start.isAll && start.position == nil)
  }

  @Test func `a checkpoint's token names the last record, and is read again`() {
    let record = SubscriptionReader.Record(
      position: SourcePosition(major: 12, minor: 11), id: IdentifierKey(high: 1, low: 2))
    let text = ResumeToken.text(record)
    #expect(text == "record=12-11/00000000-0000-0001-0000-000000000002")
    #expect(ResumeToken.read(text) == record)
    for other in ["", "record=", "record=1-2", "record=1/00000000-0000-0001-0000-000000000002", "offset=3"] {
      #expect(ResumeToken.read(other) == nil)
    }
  }

  @Test func `a position (C, 0) is resumed as (C, C), and one with both parts as it is`() {
    #expect(SubscriptionReader.exclusive(SourcePosition(major: 9)) == SourcePosition(major: 9, minor: 9))
    let both = SourcePosition(major: 9, minor: 7)
    #expect(SubscriptionReader.exclusive(both) == both)
  }
}
