import HTTPServer
import WireFormats

/// The OpenAPI document, made of the table of routes and the schemas.
enum OpenAPI {
  static func document(version: String) -> [UInt8] {
    var json = JSONWriter(reserving: 64 * 1024)
    json.object {
      $0.member("openapi", "3.1.0")
      $0.key("info")
      $0.object {
        $0.member("title", "Clew")
        $0.member("version", version)
        $0.member(
          "description",
          "Traces, handler metrics and statistics of an event-sourced system. Members may be added; names and meanings "
            + "stay.")
        $0.key("license")
        $0.object {
          $0.member("name", "Apache-2.0")
          $0.member("identifier", "Apache-2.0")
        }
      }
      paths(&$0)
      $0.key("components")
      $0.object {
        schemas(&$0)
        $0.key("securitySchemes")
        $0.object {
          $0.key("token")
          $0.object {
            $0.member("type", "http")
            $0.member("scheme", "bearer")
          }
        }
      }
    }
    return json.bytes
  }

  private static func paths(_ json: inout JSONWriter) {
    var templates: [String] = []
    for route in ClewAPI.table where !templates.contains(route.template) { templates.append(route.template) }
    json.key("paths")
    json.object { json in
      for template in templates {
        json.key(template.replacing("*}", with: "}"))
        json.object { json in
          for route in ClewAPI.table where route.template == template { operation(route, &json) }
        }
      }
    }
  }

  private static func operation(_ route: Route, _ json: inout JSONWriter) {
    json.key(route.method.lowercased())
    json.object { json in
      json.member("summary", route.about)
      json.array("security", route.rights == .none ? [] : [0]) { json, _ in
        json.object { $0.array("token", [Int]()) { _, _ in } }
      }
      let variables = route.template.split(separator: "/").filter { $0.hasPrefix("{") }
      if !variables.isEmpty || !route.parameters.isEmpty {
        json.key("parameters")
        json.beginArray()
        for variable in variables { pathVariable(String(variable.dropFirst().dropLast()), &json) }
        for parameter in route.parameters { queryParameter(parameter, &json) }
        json.endArray()
      }
      if route.takesBody { body(route, &json) }
      responses(route, &json)
    }
  }

  private static func pathVariable(_ name: String, _ json: inout JSONWriter) {
    json.object {
      $0.member("name", name.replacing("*", with: ""))
      $0.member("in", "path")
      $0.member("required", true)
      $0.member("description", "percent-encoded; a / is written as %2F")
      $0.key("schema")
      $0.object { $0.member("type", "string") }
    }
  }

  private static func queryParameter(_ parameter: Parameter, _ json: inout JSONWriter) {
    json.object {
      $0.member("name", parameter.name)
      $0.member("in", "query")
      $0.member("required", false)
      $0.member("description", parameter.about)
      $0.key("schema")
      $0.object { schema in
        switch parameter.kind {
        case .count(let standard, let maximum):
          schema.member("type", "integer")
          schema.member("minimum", 1)
          schema.member("maximum", maximum)
          schema.member("default", standard)
        case .flag:
          schema.member("type", "boolean")
          schema.member("default", false)
        case .text(let bytesMax):
          schema.member("type", "string")
          schema.member("maxLength", bytesMax)
        case .time, .duration, .identifier, .query: schema.member("type", "string")
        case .oneOf(let words):
          schema.member("type", "string")
          schema.array("enum", words) { $0.string($1) }
        }
      }
    }
  }

  private static func body(_ route: Route, _ json: inout JSONWriter) {
    json.key("requestBody")
    json.object {
      $0.member("required", true)
      $0.key("content")
      $0.object {
        for type in route.bodyTypes.isEmpty ? ["application/json"] : route.bodyTypes {
          $0.key(type)
          $0.object {
            $0.key("schema")
            $0.object {
              $0.member("description", "one object, an array of them, or one on each line, as the media type says")
              let schema = type.contains("cloudevents") ? "CloudEvent" : route.bodySchema
              if !schema.isEmpty { $0.member("$ref", "#/components/schemas/\(schema)") }
            }
          }
        }
      }
    }
  }

  private static func responses(_ route: Route, _ json: inout JSONWriter) {
    json.key("responses")
    json.object { json in
      if route.schema != "Error" { response(200, "answered", route.schema, route.mediaType, &json) }
      if route.template == "/readyz" { response(503, "not ready, and why", "Ready", "application/json", &json) }
      let failures = route.essential ? [401, 403] : [400, 401, 403, 408, 500, 503]
      for status in (failures + route.statuses).sorted() {
        response(status, meaning(status), "Error", "application/json", &json)
      }
    }
  }

  private static func response(
    _ status: Int, _ about: String, _ schema: String, _ mediaType: String, _ json: inout JSONWriter
  ) {
    json.key("\(status)")
    json.object {
      $0.member("description", about)
      $0.key("content")
      $0.object {
        $0.key(mediaType)
        $0.object {
          $0.key("schema")
          $0.object {
            switch schema {
            case "Text": $0.member("type", "string")
            case "OpenAPI": $0.member("type", "object")
            default: $0.member("$ref", "#/components/schemas/\(schema)")
            }
          }
        }
      }
    }
  }

  private static func meaning(_ status: Int) -> String {
    switch status {
    case 400: "a parameter, an id or the body cannot be read"
    case 401: "no token, or a wrong one"
    case 403: "the token or certificate does not allow this"
    case 404: "not stored"
    case 408: "the request did not arrive in time"
    case 413: "the body is larger than allowed"
    case 501: "not in this version"
    case 503: "not ready, or too many requests; try again"
    case 507: "the disk is full; nothing of the body is lost if it is sent again later"
    default: "an error of the store"
    }
  }

  private static func schemas(_ json: inout JSONWriter) {
    json.key("schemas")
    json.object { json in
      for (name, fields) in OpenAPISchemas.all {
        json.key(name)
        json.object { json in
          json.member("type", "object")
          json.key("properties")
          json.object { json in
            for field in fields {
              json.key(field.name)
              json.object { shape(field.shape, field, &$0) }
            }
          }
          json.array("required", fields.filter { !$0.optional }) { $0.string($1.name) }
        }
      }
    }
  }

  /// - Parameter field: nil inside a list or map.
  private static func shape(_ shape: Shape, _ field: Field?, _ json: inout JSONWriter) {
    if let field { json.member("description", field.about) }
    let nullable = field?.nullable == true
    func type(_ name: String) {
      json.key("type")
      if nullable {
        json.beginArray()
        json.string(name)
        json.string("null")
        json.endArray()
      } else {
        json.string(name)
      }
    }
    switch shape {
    case .text: type("string")
    case .time:
      type("string")
      json.member("format", "date-time")
    case .integer: type("integer")
    case .number: type("number")
    case .boolean: type("boolean")
    case .anything: break
    case .words(let words):
      type("string")
      json.array("enum", words) { $0.string($1) }
    case .reference(let name):
      if nullable {
        json.array("anyOf", [name, nil]) { json, name in
          json.object { $0.member(name == nil ? "type" : "$ref", name.map { "#/components/schemas/\($0)" } ?? "null") }
        }
      } else {
        json.member("$ref", "#/components/schemas/\(name)")
      }
    case .either(let names):
      json.array("anyOf", names) { json, name in json.object { $0.member("$ref", "#/components/schemas/\(name)") } }
    case .list(let element):
      type("array")
      json.key("items")
      json.object { Self.shape(element, nil, &$0) }
    case .map(let element):
      type("object")
      json.key("additionalProperties")
      json.object { Self.shape(element, nil, &$0) }
    }
  }
}
