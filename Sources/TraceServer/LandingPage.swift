import HTTPServer

/// `GET /`: a page of our own words only, which loads nothing.
enum LandingPage {
  static func response(version: String) -> HTTPResponse {
    HTTPResponse(
      status: 200,
      headers: [
        ("content-type", "text/html; charset=utf-8"),
        (
          "content-security-policy",
          "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
      ], body: .bytes(Array(page(version: version).utf8)))
  }

  static func page(version: String) -> String {
    var rows = ""
    for route in ClewAPI.routes {
      let template = escaped(route.template)
      let linked = route.method == "GET" && !route.template.contains("{") && !route.about.hasSuffix("this version")
      let path = linked ? "<a href=\"\(template)\">\(template)</a>" : template
      rows +=
        "<tr><td>\(escaped(route.method))</td><td><code>\(path)</code></td><td>\(escaped(route.about))</td></tr>\n"
    }
    return """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width">
      <title>Clew</title>
      <style>
      body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
      td { padding: .15rem 1rem .15rem 0; vertical-align: top; }
      input { font: inherit; width: 24rem; max-width: 70%; }
      </style>
      </head>
      <body>
      <h1>Clew \(escaped(version))</h1>
      <p>Traces, handler metrics and a Prometheus endpoint from the events themselves.</p>
      <form action="/api/v1/traces" method="get">
      <label>Find traces <input name="q" placeholder="type:OrderPlaced failed:true"></label>
      <button>Search</button>
      </form>
      <table>
      \(rows)</table>
      </body>
      </html>

      """
  }

  /// Text for element content and quoted attributes.
  static func escaped(_ text: String) -> String {
    var safe = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": safe += "&amp;"
      case "<": safe += "&lt;"
      case ">": safe += "&gt;"
      case "\"": safe += "&quot;"
      case "'": safe += "&#39;"
      default: safe.unicodeScalars.append(scalar)
      }
    }
    return safe
  }
}
