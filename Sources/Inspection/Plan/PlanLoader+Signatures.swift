// SPDX-License-Identifier: Apache-2.0
// Signature files to an engine. In: the paths and globs of one inspector. Out: its signatures, compiled;
// what is wrong is told, what is left out is counted.
import Diagnostics
import NetworkTypes
import PolicyLanguage
import SignatureMatching
import Signatures

extension PlanLoader {
    /// Inspectors with the same files and names share an engine.
    mutating func signatures(of inspector: PolicyLanguage.Inspector) -> PlannedSignatures? {
        var rules: [SourceText] = []
        var thresholds: [SourceText] = []
        // Two globs may mean one file.
        var seen: Set<String> = []
        for pattern in inspector.signatures {
            for source in sources(pattern, inspector, &seen) {
                if isThresholdFile(source.path) {
                    thresholds.append(source)
                } else {
                    rules.append(source)
                }
            }
        }
        let key = (rules + thresholds).map(\.path).joined(separator: "\n")
        if let known = loaded[key] { return known }
        let set = loadSignatures(rules, settings: settings, names: stateNames)
        stateNames = set.names
        counts.append(set.counts)
        tell(set, inspector)
        let rates = thresholds.map { ThresholdFile($0, variables: addressSets) }
        diagnostics += rates.flatMap(\.diagnostics)
        guard compiles else { return nil }
        do throws(SignatureEngineError) {
            let planned = try PlannedSignatures(set, thresholds: rates, settings: engineSettings)
            tell(planned.engine.refused)
            loaded[key] = planned
            return planned
        } catch {
            diagnostics.append(
                Diagnostic(
                    id: "signatures-not-compiled",
                    "the signatures of inspector '\(inspector.name)' cannot be compiled: "
                        + error.description,
                    at: inspector.range, help: "give it fewer signatures"))
            return nil
        }
    }

    /// The files that a path or glob of the policy means. One that means none is an error: an inspector
    /// without its signatures would look as if it found nothing.
    private mutating func sources(
        _ pattern: String, _ inspector: PolicyLanguage.Inspector, _ seen: inout Set<String>
    ) -> [SourceText] {
        let range = inspector.ranges[pattern] ?? inspector.range
        let paths = files.paths(pattern, namedIn: range.source.path)
        if paths.isEmpty {
            diagnostics.append(
                Diagnostic(
                    id: unreadableFile, "no signature file matches '\(pattern)'", at: range,
                    help: "paths are relative to the file that names them"))
        }
        return paths.filter { seen.insert(files.identity(of: $0)).inserted }.compactMap { path in
            do throws(FileReadError) {
                return SourceText(path: path, bytes: try SignatureFileReader(files).read(path))
            } catch {
                diagnostics.append(
                    Diagnostic(
                        id: unreadableFile, "cannot read '\(path)': \(error.reason)", at: range,
                        help: "make it a file that can be read, or name another"))
                return nil
            }
        }
    }

    /// Errors of signature files are the policy's, but for the few of a large set that somebody publishes: a
    /// typing error of theirs costs its signature, not the policy. Of what is left out a few are told, and
    /// the sums.
    private mutating func tell(_ set: SignatureSet, _ inspector: PolicyLanguage.Inspector) {
        let errors = set.diagnostics.filter { $0.severity == .error }
        if errors.isEmpty || set.counts.errors * Self.rulesOfAnError > set.counts.rules {
            diagnostics += errors
        } else {
            diagnostics += errors.prefix(Self.mostWarnings).map(\.asWarning)
            warn(
                "wrong-signatures",
                "\(set.counts.errors) of \(set.counts.rules) signatures are wrong and left out", inspector,
                help: "'xdpguard signatures check FILE' lists them")
        }
        let others = set.diagnostics.filter { $0.severity != .error }
        diagnostics += others.prefix(Self.mostWarnings)
        if set.counts.unsupported > 0 {
            let keywords = set.counts.unsupportedKeywords.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            let shown = keywords.prefix(8).map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            let rest = keywords.count > 8 ? ", and \(keywords.count - 8) more" : ""
            warn(
                "unsupported-signatures",
                "\(set.counts.unsupported) of \(set.counts.rules) signatures are left out, by keyword: "
                    + shown + rest, inspector,
                help: "'xdpguard signatures check FILE' lists them")
        } else if others.count > Self.mostWarnings {
            warn(
                "signature-warnings", "\(others.count - Self.mostWarnings) more warnings in signature files",
                inspector, help: "'xdpguard signatures check FILE' lists them")
        }
        if set.signatures.isEmpty {
            warn(
                Self.noSignatures, "inspector '\(inspector.name)' has no signature to look for", inspector,
                help: "name files with signatures, or remove 'signatures:'")
        }
    }

    private mutating func tell(_ refused: [SignatureEngine.Refused]) {
        for one in refused.prefix(Self.mostWarnings) {
            diagnostics.append(
                Diagnostic(
                    .warning, id: "signature-left-out",
                    "signature \(one.signature.sid) is left out: \(one.reason)", at: one.signature.range,
                    help: "correct it, or remove it"))
        }
        guard refused.count > Self.mostWarnings, let first = refused.first else { return }
        diagnostics.append(
            Diagnostic(
                .warning, id: "signature-left-out",
                "\(refused.count - Self.mostWarnings) more signatures are left out like this one",
                at: first.signature.range))
    }

    private mutating func warn(
        _ id: String, _ message: String, _ inspector: PolicyLanguage.Inspector, help: String
    ) {
        diagnostics.append(Diagnostic(.warning, id: id, message, at: inspector.range, help: help))
    }
}

extension PlanLoader {
    /// The policy's sets and services by the names of the signatures' variables: `HOME_NET`, `HTTP_PORTS`. A
    /// firewall inspects what its rules say, so a network that the policy does not name is any.
    private var settings: SignatureSettings {
        var settings = SignatureSettings(addressVariables: ["HOME_NET": "any", "EXTERNAL_NET": "any"])
        if policy.sets.contains(where: { $0.name == "HOME_NET" }) {
            settings.addressVariables["EXTERNAL_NET"] = "!$HOME_NET"
        }
        for set in policy.sets { settings.addressVariables[set.name] = set.addresses.ruleText }
        return settings
    }

    private var addressSets: [String: AddressSet] {
        Dictionary(policy.sets.map { ($0.name, $0.addresses) }, uniquingKeysWith: { first, _ in first })
    }
}

extension AddressSet {
    /// As signatures write it: "[192.0.2.0-192.0.2.255,2001:db8::1]".
    fileprivate var ruleText: String {
        let fours = v4.ranges.map { (IPAddress(v4: $0.lowerBound), IPAddress(v4: $0.upperBound)) }
        let sixes = v6.ranges.map { (IPAddress(v6: $0.lowerBound), IPAddress(v6: $0.upperBound)) }
        let items = (fours + sixes).map { $0 == $1 ? "\($0)" : "\($0)-\($1)" }
        return "[" + items.joined(separator: ",") + "]"
    }
}
