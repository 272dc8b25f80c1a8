// SPDX-License-Identifier: Apache-2.0
// `set add|del|replace|show|test`, `refresh`: named sets of the running policy.
import ArgumentParser
import Diagnostics
import JSONOutput
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Service

struct SetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set", abstract: "Look at and change named sets of addresses while the policy runs.",
        discussion: "Changes last until the next 'apply', or the next 'refresh' of the set.",
        subcommands: [
            SetAdd.self, SetDelete.self, SetReplace.self, SetShow.self, SetTest.self,
        ])

    func run() throws { throw ValidationError("name a subcommand: 'xdpguard set --help' lists them") }
}

/// Addresses on the command line, in files and on standard input.
struct SetArguments: ParsableArguments {
    @Argument(help: "The set's name in the policy.") var name: String
    @Argument(
        help: """
            Addresses, prefixes or ranges, as in 192.0.2.7, 2001:db8::/48 or 192.0.2.5-192.0.2.9; - reads a \
            list from standard input.
            """) var addresses: [String] = []
    @Option(name: .long, help: "A list of addresses, one a line (repeatable).") var file: [String] = []
    @OptionGroup var format: OutputOption

    func validate() throws {
        if addresses.isEmpty, file.isEmpty {
            throw ValidationError("name addresses, or a list with --file, or - for standard input")
        }
    }

    func change(_ kind: SetChange.Kind, _ verb: String) throws {
        var (v4, v6): ([ClosedRange<UInt32>], [ClosedRange<UInt128>]) = ([], [])
        var count = 0
        for text in addresses where text != "-" {
            let item = try parseAddresses(text)
            v4 += item.v4.ranges
            v6 += item.v6.ranges
            count += 1
        }
        for path in file + (addresses.contains("-") ? ["-"] : []) {
            let list = try readSetFile(path) { StandardError.write($0) }
            v4 += list.addresses.v4.ranges
            v6 += list.addresses.v6.ranges
            count += list.entries
        }
        let change = SetChange(
            plainSetName(name), kind, AddressSet(v4: IntervalSet(v4), v6: IntervalSet(v6)), count: count,
            nanoseconds: wallClock())
        let outcome = try SetService(for: "set \(verb)").change(change)
        if kind == .replace, change.addresses.isEmpty { warnOfEmptySet(outcome.name) }
        var output = StandardOutput()
        switch format.output {
        case .json:
            try output.json(
                .object([
                    ("set", .string(outcome.name)), ("change", .string(verb)),
                    ("entries", .integer(Int64(outcome.count))),
                ]))
        case .text:
            let what = "\(outcome.count) \(entries(outcome.count))"
            switch kind {
            case .add: try output.line("added \(what) to '\(outcome.name)'")
            case .remove: try output.line("took \(what) out of '\(outcome.name)'")
            default: try output.line("'\(outcome.name)' now holds \(what)")
            }
        }
        try output.flush()
    }
}

/// A blocklist that came out empty, as of a download that failed, opens what it closed.
private func warnOfEmptySet(_ name: String) {
    StandardError.write("xdpguard: warning: the set '\(printable(name))' holds no address now\n")
}

struct SetAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Put addresses into a set.")
    @OptionGroup var arguments: SetArguments
    func run() throws { try reporting { _ in try arguments.change(.add, "add") } }
}

struct SetDelete: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "del", abstract: "Take addresses out of a set.")
    @OptionGroup var arguments: SetArguments
    func run() throws { try reporting { _ in try arguments.change(.remove, "del") } }
}

struct SetReplace: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replace", abstract: "Make a set hold these addresses and no others, in one step.")
    @OptionGroup var arguments: SetArguments
    func run() throws { try reporting { _ in try arguments.change(.replace, "replace") } }
}

struct SetShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "List the sets with their hits, or one set's addresses.")
    @Argument(help: "The set's name; without it all sets.") var name: String?
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            let service = try SetService(for: "set show")
            guard let name else {
                let entries = try service.list()
                switch format.output {
                case .json:
                    try output.json(.object([("sets", .array(entries.map { .object($0.json) }))]))
                case .text: for entry in entries { try output.line(entry.line) }
                }
                return
            }
            let entry = try service.show(plainSetName(name))
            let ranges = entry.members?.texts ?? []
            switch format.output {
            case .json:
                try output.json(
                    .object(entry.json + [("addresses", .array(ranges.map(JSONValue.string)))]))
            case .text: for range in ranges { try output.line(range) }
            }
        }
    }
}

struct SetTest: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test",
        abstract: "Say whether addresses are in a set, and by which line; exit 1 where one is not.")
    @Argument(help: "The set's name.") var name: String
    @Argument(help: "Addresses, as in 192.0.2.7.") var addresses: [String]
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            let asked = try addresses.map { text in
                guard let address = IPAddress(text) else {
                    throw ServiceError(
                        .usage, "'\(printable(text))' is no address; write one, as in 192.0.2.7")
                }
                return address
            }
            let set = plainSetName(name)
            let answers = try SetService(for: "set test").test(set, asked)
            switch format.output {
            case .json:
                try output.json(
                    .object([("set", .string(set)), ("addresses", .array(answers.map(\.json)))]))
            case .text: for answer in answers { try output.line(printable(answer.line(of: set))) }
            }
            if answers.contains(where: { !$0.isMember }) {
                try output.flush()
                throw ExitCode(ExitStatus.failed.rawValue)
            }
        }
    }
}

struct Refresh: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read set files again and carry out what changed, without a new apply.",
        discussion: "What was changed by hand in these sets ends.")
    @Argument(help: "Sets; without names all that come from files.") var names: [String] = []
    @OptionGroup var format: OutputOption

    func run() throws {
        try reporting { output in
            let outcomes = try SetService(for: "refresh").refresh(names.map(plainSetName)) {
                StandardError.write($0)
            }
            for outcome in outcomes where outcome.isFile && outcome.count == 0 {
                warnOfEmptySet(outcome.name)
            }
            switch format.output {
            case .json: try output.json(.object([("sets", .array(outcomes.map(\.json)))]))
            case .text:
                for outcome in outcomes { try output.line(outcome.line) }
                if outcomes.isEmpty { try output.line("no set in use comes from a file") }
            }
        }
    }
}
