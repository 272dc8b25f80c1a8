// SPDX-License-Identifier: Apache-2.0
// `ban`, `unban`, `bans`.
import ArgumentParser
import Diagnostics
import JSONOutput
import NetworkTypes
import PolicyLanguage
import Service

struct BanCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ban", abstract: "Drop everything from an address or prefix, for a time or for ever.")

    @Argument(help: "Address or prefix, as in 203.0.113.7 or 2001:db8::/48.") var address: String
    @Option(name: .customLong("for"), help: "How long, as in 30s, 10m, 2h, 7d; without it for ever.")
    var duration: String?
    @Option(name: .long, help: "Why, in at most 63 bytes.") var reason: String?
    @Flag(name: .long, help: "Change nothing: say which bans hold for the address, and what frees it.")
    var why = false
    @OptionGroup var format: OutputOption

    func validate() throws {
        if why, duration != nil || reason != nil {
            throw ValidationError("--why changes nothing: give it without --for and --reason")
        }
    }

    func run() throws {
        try reporting { output in
            let prefix = try parsePrefix(address)
            if why { return try explain(prefix, &output) }
            let nanoseconds = try duration.map(parseDurationOption)
            let reason = reason ?? ""
            guard reason.utf8.count <= 63 else {
                throw ServiceError(.usage, "--reason is longer than 63 bytes; shorten it")
            }
            let service = try BanService(for: "ban")
            let entry = try service.ban(
                prefix, durationNanoseconds: nanoseconds, reason: reason, warn: warnOfBans)
            if try service.touchesNeverBan(prefix) {
                warnOfBans("'\(prefix)' touches addresses of 'never-ban', where no ban holds")
            }
            switch format.output {
            case .json: try output.json(entry.json)
            case .text: try output.line("banned \(entry.line)")
            }
        }
    }

    private func explain(_ prefix: Prefix, _ output: inout StandardOutput) throws {
        guard prefix == Prefix(prefix.address) else {
            throw ServiceError(
                .usage, "--why asks about one address; write \(prefix.address), or see 'xdpguard bans'")
        }
        let explanation = try BanService(for: "ban").explain(prefix.address)
        switch format.output {
        case .json: try output.json(explanation.json)
        case .text: for line in explanation.lines { try output.line(printable(line)) }
        }
    }
}

private func warnOfBans(_ text: String) { StandardError.write("xdpguard: warning: \(printable(text))\n") }

struct Unban: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Lift bans.")

    @Argument(help: "Addresses or prefixes, as they were banned.") var addresses: [String] = []
    @Flag(name: .long, help: "Lift all bans.") var all = false
    @OptionGroup var format: OutputOption

    func validate() throws {
        if all != addresses.isEmpty { throw ValidationError("name addresses, or give --all") }
    }

    func run() throws {
        try reporting { output in
            let prefixes = try all ? nil : addresses.map(parsePrefix)
            let removed = try BanService(for: "unban").unban(prefixes, warn: warnOfBans)
            switch format.output {
            case .json:
                try output.json(.object([("unbanned", .array(removed.map { .string($0.description) }))]))
            case .text:
                for prefix in removed { try output.line("unbanned \(prefix)") }
                if removed.isEmpty, all { try output.line("there were no bans") }
            }
            let missing = (prefixes ?? []).filter { !removed.contains($0) }.map { "'\($0)'" }
            if !missing.isEmpty {
                throw ServiceError(
                    .unavailable,
                    "\(missing.joined(separator: ", ")) \(missing.count == 1 ? "is" : "are") not banned; "
                        + "'xdpguard bans' lists the bans")
            }
        }
    }
}

struct Bans: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the bans that hold; keep them for the next boot, or take them from there.")

    @Flag(name: .long, help: "Write them to their file, with those that limits made.") var save = false
    @Flag(name: .long, help: "Ban what the file has and has not ended.") var restore = false
    @OptionGroup var format: OutputOption

    func validate() throws {
        if save, restore { throw ValidationError("give --save or --restore, not both") }
    }

    func run() throws {
        try reporting { output in
            let service = try BanService(for: "bans")
            if save {
                let (count, path) = try service.save()
                return try tell("saved", count, path, &output)
            }
            if restore {
                let (count, path) = try service.restore(warnOfBans)
                return try tell("restored", count, path, &output)
            }
            let entries = try service.list()
            let room = try service.room()
            switch format.output {
            case .json:
                try output.json(
                    .object([
                        ("bans", .array(entries.map(\.json))), ("capacity", .integer(Int64(room.capacity))),
                        ("lost", .unsigned(room.lost)),
                    ]))
            case .text:
                for entry in entries { try output.line(entry.line) }
                if entries.isEmpty { try output.line("no bans") }
                if room.lost > 0 {
                    StandardError.write(
                        "xdpguard: note: \(room.lost) bans found no room among \(room.capacity)\n")
                }
            }
        }
    }

    private func tell(_ word: String, _ count: Int, _ path: String, _ output: inout StandardOutput) throws {
        switch format.output {
        case .json:
            try output.json(.object([(word, .integer(Int64(count))), ("file", .string(path))]))
        case .text: try output.line("\(word) \(count) bans: \(printable(path))")
        }
    }
}

/// An address or prefix from the command line; host bits are an error that names what was meant.
func parsePrefix(_ text: String) throws -> Prefix {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = IPAddress(parts[0]) else {
        throw ServiceError(
            .usage, "'\(printable(text))' is not an address or prefix; write 203.0.113.7 or 2001:db8::/48")
    }
    if let inner = address.mappedIPv4 {
        throw ServiceError(
            .usage,
            "'\(printable(text))' is how sockets write \(inner), which packets have; write \(inner)")
    }
    guard parts.count == 2 else { return Prefix(address) }
    guard let length = decimalNumber(parts[1].utf8),
        let prefix = Prefix(masking: address, length: Int(clamping: length))
    else {
        throw ServiceError(
            .usage, "'\(printable(text))' has no prefix length from 0 to \(address.family.bitWidth)")
    }
    guard prefix.address == address else {
        throw ServiceError(
            .usage,
            "'\(text)' has host bits set; write \(prefix) for the network or \(address) for the address")
    }
    return prefix
}

private func parseDurationOption(_ text: String) throws -> Int64 {
    do throws(ValueError) {
        return try parseDuration(text)
    } catch {
        throw ServiceError(.usage, "--for: \(error.message)" + (error.help.map { "; \($0)" } ?? ""))
    }
}
