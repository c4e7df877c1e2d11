/// docs/CONFIGURATION.md, made from the keys; a test holds the file against it.
enum ConfigurationDocument {
  static func text() -> String {
    var text = """
      # Configuration

      `clew serve` takes its settings from a YAML file (`--config FILE`), then from environment variables, then from
      options; the later wins. `clew serve --check` checks everything, says every mistake with its place, and starts
      nothing. Times have units (`250ms`, `20s`, `5m`, `12h`, `7d`), sizes too (`512KiB`, `64MiB`, `10GiB`). In keys, `_`
      and `-` are the same. A list in an environment variable is separated by commas. Unknown keys, and keys given twice,
      are refused. Secrets come from files or from the environment, and are never printed.

      | key | environment | value | default | |
      | --- | --- | --- | --- | --- |

      """
    for key in ConfigurationKeys.all { text += row(key) }
    text += """

      Bearer tokens may be given themselves in `CLEW_WRITE_TOKEN` and `CLEW_READ_TOKEN`. Token and TLS files are read
      again when they change, and on SIGHUP. Bounds in `buckets` may be plain numbers, which are seconds.

      ## How events are read

      These keys stand at the top for everything that is read (POST, import, sources), and in an entry of `sources` for
      this source alone.

      | key | environment | value | default | |
      | --- | --- | --- | --- | --- |

      """
    for key in ConfigurationKeys.reading { text += row(key) }
    text += """

      Own `keys` take the place of the profile's keys of the same kind. `handlers` is a list of rules that name the
      handler of events whose metadata does not; the first rule that matches counts:

      | key | environment | value | default | |
      | --- | --- | --- | --- | --- |

      """
    for key in ConfigurationKeys.rule { text += row(key, environment: "CLEW_HANDLERS_0_" + environmentName(key.path)) }
    text += """

      ## Sources

      `sources` is a list; `--source URL` adds to it. Further environment variables: `CLEW_SOURCES_0_PROFILE` and so on for
      every key of reading; the number counts from 0 to 63.

      | key | environment | value | default | |
      | --- | --- | --- | --- | --- |

      """
    for key in ConfigurationKeys.source { text += row(key, environment: "CLEW_SOURCES_0_" + environmentName(key.path)) }
    return text + "\n## Example\n\n```yaml\n" + example + "```\n"
  }

  private static func row<Target>(_ key: ConfigurationKey<Target>, environment: String? = nil) -> String {
    var help = key.help
    if let option = key.option { help += " (`--\(option)`)" }
    let fallback = key.fallback.isEmpty ? "" : "`\(key.fallback)`"
    let kind = key.kind.description
    return "| `\(key.path)` | `\(environment ?? key.environment)` | \(kind) | \(fallback) | \(help) |\n"
  }

  static let example = """
    data: /var/lib/clew
    listen: 127.0.0.1:9797
    live-window: 5m
    retention:
      age: 30d
      size: 100GiB
      sources:
        audit:
          age: 365d
    buckets:
      reaction-latency: [5ms, 25ms, 100ms, 500ms, 2s, 10s, 1m]
    failure-types: ["*Failed", "*Rejected"]
    handlers:
      - type: Invoice*
        handler: invoicing
        service: billing
    sources:
      - url: file:///var/log/shop/events.ndjson?follow=true
        name: shop
        redact: [data.email, data.address]
      - url: file:///var/log/legacy/events.ndjson?follow=true
        name: legacy
        profile: axon

    """
}
