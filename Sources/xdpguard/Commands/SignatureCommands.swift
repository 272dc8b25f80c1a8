// SPDX-License-Identifier: Apache-2.0
// `signatures check|list|show`: files in Suricata's rule syntax, as the inspector would load them. No
// privileges, nothing is changed.
import ArgumentParser
import Diagnostics
import Glibc
import Inspection
import JSONOutput
import NetworkTypes
import PolicyLanguage
import Service
import Signatures

struct SignaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "signatures", abstract: "Look at signature files in Suricata's rule syntax.",
        subcommands: [
            SignaturesCheck.self, SignaturesList.self, SignaturesShow.self, SignaturesProfile.self,
        ])

    func run() throws { throw ValidationError("name a subcommand: 'xdpguard signatures --help' lists them") }
}

/// What every one of them takes.
struct SignatureArguments: ParsableArguments {
    @Option(
        name: .customLong("var"),
        help: "A variable of rule headers, as in HOME_NET=192.0.2.0/24 or HTTP_PORTS=[80,8080] (repeatable).")
    var variables: [String] = []
    @OptionGroup var format: OutputOption

    func validate() throws {
        for text in variables where text.firstIndex(of: "=") == nil {
            throw ValidationError("'--var \(printable(text))': expected NAME=VALUE")
        }
    }

    /// The files as one load; those with thresholds have no signatures.
    /// - Parameter paths: "-": standard input.
    func load(_ paths: [String]) throws -> SignatureSet {
        loadSignatures(try sources(paths.filter { !isThresholdFile($0) }), settings: settings)
    }

    /// What is wrong with those of the files that are threshold.config, as a policy may name them beside the
    /// others.
    func thresholdDiagnostics(_ paths: [String]) throws -> [Diagnostic] {
        // Which addresses a variable has does not matter, as long as it is one.
        let known = SignatureSettings.knownAddressVariables + settings.addressVariables.keys
        let names = Dictionary(known.map { ($0, AddressSet()) }) { first, _ in first }
        return try sources(paths.filter(isThresholdFile)).flatMap {
            ThresholdFile($0, variables: names).diagnostics
        }
    }

    private func sources(_ paths: [String]) throws -> [SourceText] {
        try paths.map { path in
            let name = path == "-" ? "standard input" : path
            return SourceText(path: name, bytes: try Self.bytes(path == "-" ? "/dev/stdin" : path, name))
        }
    }

    private static func bytes(_ path: String, _ name: String) throws -> [UInt8] {
        do throws(FileReadError) {
            return try SignatureFileReader().read(path)
        } catch {
            throw ServiceError(
                error.errno == EBADMSG ? .wrongInput : .noInput,
                "cannot read '\(printable(name))': \(error.reason)")
        }
    }

    private var settings: SignatureSettings {
        var settings = SignatureSettings()
        for text in variables {
            guard let equals = text.firstIndex(of: "=") else { continue }
            let name = String(text[..<equals].drop { $0 == "$" })
            let value = String(text[text.index(after: equals)...])
            // Ports are named so in every rule set; the two kinds stand at different places anyway.
            if name.hasSuffix("PORTS") || name.hasSuffix("PORT") {
                settings.portVariables[name] = value
            } else {
                settings.addressVariables[name] = value
            }
        }
        return settings
    }
}

struct SignaturesCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Load signature files and say of each signature that is left out why.")

    @Argument(help: "Signature files; - reads standard input.") var files: [String]
    @OptionGroup var arguments: SignatureArguments

    func run() throws {
        try reporting { output in
            let set = try arguments.load(files)
            let counts = set.counts
            let diagnostics = set.diagnostics + (try arguments.thresholdDiagnostics(files))
            switch arguments.format.output {
            case .text:
                for diagnostic in diagnostics { StandardError.write(diagnostic.rendered()) }
                for line in counts.lines { try output.line(line) }
            case .json:
                for diagnostic in diagnostics { try output.json(diagnostic.signatureJSON) }
                try output.json(.object([("summary", counts.json)]))
            }
            if counts.errors > 0 || diagnostics.contains(where: { $0.severity == .error }) {
                try output.flush()
                throw ExitCode(ExitStatus.wrongInput.rawValue)
            }
        }
    }
}

struct SignaturesList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the signatures that are loaded from files.")

    @Argument(help: "Signature files; - reads standard input; none: those of the running policy.")
    var files: [String] = []
    @OptionGroup var arguments: SignatureArguments

    func run() throws {
        try reporting { output in
            let set = try arguments.load(files.isEmpty ? runningSignatureFiles() : files)
            for signature in set.signatures {
                switch arguments.format.output {
                case .text: try output.line(signature.line)
                case .json: try output.json(signature.json)
                }
            }
            if set.counts.errors > 0 {
                StandardError.write(
                    "xdpguard: warning: \(set.counts.errors) rules are wrong and not listed; "
                        + "'signatures check' says why\n")
            }
        }
    }
}

struct SignaturesShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one signature: its text, and how it is understood.")

    @Argument(help: "The signature's number, as in 2024217, or with its gid, as in 1:2024217.")
    var sid: String
    @Argument(help: "Signature files; - reads standard input; none: those of the running policy.")
    var files: [String] = []
    @OptionGroup var arguments: SignatureArguments

    func validate() throws {
        guard wanted != nil else {
            throw ValidationError("'\(printable(sid))' is no signature's number: expected SID or GID:SID")
        }
    }

    private var wanted: (gid: UInt32?, sid: UInt32)? {
        let parts = sid.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        switch (parts.count, parts.first ?? nil, parts.last ?? nil) {
        case (1, _, let sid?): return (nil, sid)
        case (2, let gid?, let sid?): return (gid, sid)
        default: return nil
        }
    }

    func run() throws {
        try reporting { output in
            let set = try arguments.load(files.isEmpty ? runningSignatureFiles() : files)
            let found = set.signatures.filter { signature in
                guard let wanted else { return false }
                return signature.sid == wanted.sid && (wanted.gid ?? signature.gid) == signature.gid
            }
            guard !found.isEmpty else {
                throw ServiceError(
                    .wrongInput,
                    "no signature \(printable(sid)) is loaded from these files; "
                        + "'signatures check' says what is left out")
            }
            for signature in found {
                switch arguments.format.output {
                case .text: for line in signature.lines { try output.line(line) }
                case .json: try output.json(signature.json)
                }
            }
        }
    }
}
