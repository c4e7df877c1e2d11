import EventModel
import EventSource
import TestSupport
import Testing

@Suite("CloudEvents") struct CloudEventTests {
  static let whole =
    #"{"specversion":"1.0","id":"A-1","source":"/shop/orders","subject":"order-7","type":"com.shop.placed","time":"2026-01-01T00:00:01Z","datacontenttype":"application/json","correlationid":"c","causationid":"k","data":{"a": 1}}"#

  @Test func `attributes become the event, and all but data its metadata`() throws {
    let read = try #require(Reading.line(Self.whole).event)
    let event = read.event
    #expect(event.id.description == "A-1" && event.type == "com.shop.placed" && event.stream == "order-7")
    #expect(event.service == "/shop/orders" && event.handler == "order" && event.handlerIdentity == .streamCategory)
    #expect(event.created.nanoseconds == TestEvent.epoch.nanoseconds + 1_000_000_000)
    #expect(event.ownCorrelation?.description == "c" && event.cause?.description == "k")
    #expect(read.data == bytes(#"{"a": 1}"#))
    #expect(
      String(decoding: read.metadata ?? [], as: UTF8.self)
        == #"{"specversion":"1.0","id":"A-1","source":"/shop/orders","subject":"order-7","type":"com.shop.placed","time":"2026-01-01T00:00:01Z","datacontenttype":"application/json","correlationid":"c","causationid":"k"}"#
    )
    #expect(read.flags.isSuperset(of: [.hasData, .dataIsJSON, .hasMetadata, .metadataIsJSON]))
  }

  @Test func `without subject the source is the stream, without time the event is of now`() throws {
    let read = try #require(Reading.line(#"{"specversion":"1.0","id":"1","source":"urn:x-1","type":"T"}"#).event)
    #expect(read.event.stream == "urn:x-1" && read.event.service == "urn:x-1")
    #expect(read.event.created == Reading.clock.now())
    #expect(read.data == nil)
  }

  @Test(arguments: [
    (#""subject":null"#, "s"), (#""subject":"""#, "s"), (#""subject":"x""#, "x"),
  ])
  func `an empty subject is none`(_ member: String, _ stream: String) throws {
    let line = #"{"specversion":"1.0","id":"1","source":"s","type":"T",\#(member)}"#
    #expect(try #require(Reading.line(line).event).event.stream == stream)
  }

  @Test func `binary data comes as data_base64`() throws {
    let line = #"{"specversion":"1.0","id":"1","source":"s","type":"T","data_base64":"AP8="}"#
    let read = try #require(Reading.line(line).event)
    #expect(read.data == [0, 255] && !read.flags.contains(.dataIsJSON))
    #expect(read.metadata == bytes(#"{"specversion":"1.0","id":"1","source":"s","type":"T"}"#))
    let both = #"{"specversion":"1.0","id":"1","source":"s","type":"T","data_base64":"AP8=","data":1}"#
    #expect(Reading.line(both).event == nil)
  }

  @Test func `traceparent gives trace and span, handler and service are extensions`() throws {
    let line =
      #"{"specversion":"1.0","id":"1","source":"s","type":"T","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","handler":"h","service":"own"}"#
    let event = try #require(Reading.line(line).event).event
    #expect(event.ownCorrelation?.description == "4bf92f35-77b3-4da6-a3ce-929d0e0e4736")
    #expect(event.causeIsSpan && event.handler == "h" && event.service == "own")
  }

  @Test(arguments: [
    #"{"specversion":"2.0","id":"1","source":"s","type":"T"}"#, #"{"specversion":1,"id":"1","source":"s","type":"T"}"#,
    #"{"specversion":"1.0","source":"s","type":"T"}"#, #"{"specversion":"1.0","id":"1","source":"s"}"#,
    #"{"specversion":"1.0","id":"1","source":"s","type":"T","time":"now"}"#,
    #"{"specversion":"1.0","id":"1","source":"s","type":"T","time":5}"#,
  ])
  func `what is no CloudEvent is refused`(_ line: String) {
    #expect(Reading.refusal(Reading.line(line).result) != nil)
  }

  @Test func `a line without specversion stays a line of ours`() throws {
    let read = try #require(Reading.with(#""specversion":null,"metadata":{"handler":"h"}"#).event)
    #expect(read.event.handler == "h" && read.metadata == bytes(#"{"handler":"h"}"#))
  }
}
