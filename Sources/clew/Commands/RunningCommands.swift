/// Commands that run, write, or look after files.
extension CommandTable {
  static let running: [CommandSpecification] = [
    CommandSpecification(
      name: .demo, summary: "run a small shop and watch it",
      details: """
        Starts a server on a free port with a temporary directory and a small event-sourced shop inside:
        registrations, orders, payments, shipments, with failures, retries and a slow projection. It prints what to
        try next, with real ids, and runs until it is interrupted. With --store the shop writes to an EventStoreDB or
        KurrentDB, one of its handlers is a persistent subscription there, and Clew follows $all of it: Clew itself
        never writes to an event store.
        """,
      options: [
        .value("listen", .address, "HOST:PORT", "where the demo's server listens (default: a free port)"),
        .value("data", .directory, "DIR", "keep the events there (default: a temporary directory, deleted at the end)"),
        .value("store", .url, "URL", "event store that the shop writes to, as in the last example"),
        .value("for", .duration, "TIME", "stop by itself after TIME, for example 20s"),
        .value("rate", .count(1), "N", "orders in a minute (default 120)"),
        .value("seed", .count(0), "N", "seed of the shop's random numbers"), Options.logLevel, Options.color,
      ],
      examples: [
        "clew demo", "clew demo --for 20s --listen 127.0.0.1:9797",
        "clew demo --store 'kurrentdb://admin:changeit@localhost:2113?tls=false'",
      ]),
    CommandSpecification(
      name: .serve, summary: "run the sidecar: take events, answer questions",
      details: """
        Reads the configured sources, takes events over HTTP, serves the API and /metrics. Settings come from the
        file, then CLEW_ environment variables, then options; docs/CONFIGURATION.md lists all. SIGTERM and SIGINT
        stop it in order; SIGHUP reads token and TLS files again. Listening beyond loopback needs a token, a client
        certificate, or --insecure.
        """,
      options: serveOptions,
      examples: [
        "clew serve --source 'file:///var/log/events.ndjson?follow=true'", "clew serve --config clew.yaml --check",
      ]),
    CommandSpecification(
      name: .import, summary: "store event files",
      details: """
        Reads JSON lines or CloudEvents, plain or gzip, '-' for standard input. A bad line is refused alone: its
        number and reason go to standard error. What is known already is counted as duplicate. Everything counted as
        accepted is on the disk when the summary appears.
        """,
      arguments: [
        CommandArgument(placeholder: "FILE", kind: .file, repeats: true, help: "file of events, '-' for standard input")
      ],
      options: [
        .value(
          "data", .directory, "DIR", environment: "CLEW_DATA", "data directory (default ./clew-data), made if missing"),
        .value("source-name", .text, "NAME", "name of the source, part of the events' identity (default 'default')"),
        .value("profile", .text, "NAME", environment: "CLEW_PROFILE", "where producers put ids: kurrentdb, axon, …"),
        .flag("strict", "exit with 1 if a line was refused"),
        .flag("seal", "seal what was stored, whatever its amount"), Options.configuration, Options.json, Options.color,
      ], examples: ["clew import events.ndjson.gz", "zcat *.gz | clew import - --data ./clew-data --json"]),
  ]

  static let serveOptions: [CommandOption] = [
    Options.configuration,
    .value("data", .directory, "DIR", "data directory (default ./clew-data), made if missing"),
    .value("listen", .address, "HOST:PORT", "where to listen (default 127.0.0.1:9797; port 0: a free one)"),
    .value("source", .url, "URL", repeats: true, "read this source too, for example file:///path?follow=true"),
    .value("profile", .text, "NAME", "where producers put ids: kurrentdb, axon, …"),
    .flag("check", "check the configuration, say every mistake, start nothing"),
    .flag("insecure", "listen beyond loopback without token and certificate"),
    .value("tls-cert", .file, "FILE", "certificate chain, PEM"),
    .value("tls-key", .file, "FILE", "key of the certificate, PEM"),
    .value("tls-client-ca", .file, "FILE", "demand client certificates signed by these, PEM"),
    .value("token-file", .file, "FILE", "file with the bearer token that may write (and read)"),
    .value("read-token-file", .file, "FILE", "file with the bearer token that may only read"),
    .value("live-window", .text, "TIME", "how old an event may be to feed the live counters (5m), or 'all'"),
    .value(
      "durability", .choice(["auto", "process", "power"]), "MODE",
      "what is on the disk before a batch is acknowledged"),
    .value("retention-age", .duration, "TIME", "delete segments stored longer ago than TIME, for example 30d"),
    .value("retention-size", .bytes, "SIZE", "delete the oldest segments beyond SIZE, for example 100GiB"),
    Options.logLevel,
  ]

  static let care: [CommandSpecification] = [
    CommandSpecification(
      name: .inspect, summary: "show what a segment file holds, reading past damage",
      details: "Never writes. Prints the segment's description and each of its blocks; damage is named and passed by.",
      arguments: [CommandArgument(placeholder: "FILE", kind: .file, help: "a sealed segment")],
      options: [Options.json, Options.color], examples: ["clew inspect clew-data/seg-0-000000000001-000000500000.db"]),
    CommandSpecification(
      name: .verify, summary: "check every checksum and invariant of a data directory",
      details: "Never writes. Exits with 0 if all is well, 1 if something is damaged, 2 if it could not look.",
      arguments: [
        CommandArgument(
          placeholder: "DIR", kind: .directory, required: false, help: "data directory (default ./clew-data)")
      ],
      options: [
        .value("data", .directory, "DIR", environment: "CLEW_DATA", "data directory, as an option"), Options.json,
        Options.color,
      ], examples: ["clew verify ./clew-data"]),
    CommandSpecification(
      name: .repair, summary: "move damaged files of a data directory aside, and say what is missing",
      details: """
        Stop the server first. Damaged files go to DIR/damaged/ and nothing is deleted; segments that were set aside and are
        whole again come back; a catalog that cannot be read is made anew from the files. Says which ordinals, and which
        positions of which source, are missing then. Exits with 0 if nothing is missing, 1 if something is, 2 if it could
        not work.
        """,
      arguments: [
        CommandArgument(
          placeholder: "DIR", kind: .directory, required: false, help: "data directory (default ./clew-data)")
      ],
      options: [
        .value("data", .directory, "DIR", environment: "CLEW_DATA", "data directory, as an option"),
        .flag("dry-run", "say what would be done, and change nothing"), Options.json, Options.color,
      ], examples: ["clew repair --dry-run ./clew-data", "clew repair ./clew-data"]),
    CommandSpecification(
      name: .completions, summary: "print completions for a shell",
      details: """
        bash: clew completions bash > ~/.local/share/bash-completion/completions/clew
        zsh:  clew completions zsh > a directory of $fpath, as _clew
        fish: clew completions fish > ~/.config/fish/completions/clew.fish
        """,
      arguments: [
        CommandArgument(placeholder: "SHELL", kind: .choice(["bash", "zsh", "fish"]), help: "bash, zsh or fish")
      ]),
    CommandSpecification(
      name: .man, summary: "print the manual page", details: "In roff: clew man > clew.1; man ./clew.1",
      examples: ["clew man | man -l -"]),
  ]

  /// All commands, in the order of the help.
  static let all: [CommandSpecification] = running + reading + care

  static func command(_ name: String) -> CommandSpecification? { all.first { $0.name.rawValue == name } }
}

/// The one table of commands and options.
enum CommandTable {}
