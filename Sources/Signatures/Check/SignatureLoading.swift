// SPDX-License-Identifier: Apache-2.0
// Signature files to a set: every rule by itself, so that a bad one never hurts another; then one
// signature for each gid and sid.
import Diagnostics

/// Loads signatures from texts in Suricata's rule syntax, and Snort 3's as far as it means the same.
/// - Parameters:
///   - sources: the files' texts; each rule's diagnostics name its place in them.
///   - names: what an earlier load gave, so that numbers of flow bits keep their meaning.
/// - Returns: the signatures in order of their texts, with what was left out and why; it never fails as a
///   whole.
public func loadSignatures(
    _ sources: [SourceText], settings: SignatureSettings = SignatureSettings(),
    names: StateNames = StateNames()
) -> SignatureSet {
    var loader = SignatureLoader(LoadContext(settings, names))
    for source in sources { loader.load(source) }
    return loader.finished()
}

private struct SignatureLoader {
    private let context: LoadContext
    private let checker: SignatureChecker
    private var set = SignatureSet()
    /// By gid and sid: where the signature stands in `kept`.
    private var places: [UInt64: Int] = [:]
    /// nil where another took the place.
    private var kept: [Signature?] = []

    init(_ context: LoadContext) {
        self.context = context
        checker = SignatureChecker(context)
    }

    mutating func load(_ source: SourceText) {
        var reader = RuleReader(source)
        while let rule = reader.rule() {
            set.counts.rules += 1
            do {
                let (signature, remarks) = try checker.check(rule)
                for remark in remarks { say(remark) }
                keep(signature)
            } catch {
                if let keyword = error.unsupported {
                    set.counts.unsupported += 1
                    set.counts.unsupportedKeywords[keyword, default: 0] += 1
                } else {
                    set.counts.errors += 1
                }
                say(error.diagnostic(in: rule))
            }
        }
    }

    private mutating func say(_ diagnostic: Diagnostic) {
        if set.diagnostics.count < SignatureLimits.diagnostics { set.diagnostics.append(diagnostic) }
    }

    /// Of two with one number the higher revision stays, of equal ones the first.
    private mutating func keep(_ signature: Signature) {
        let key = UInt64(signature.gid) << 32 | UInt64(signature.sid)
        guard let place = places[key], let other = kept[place] else {
            places[key] = kept.count
            kept.append(signature)
            return
        }
        set.counts.superseded += 1
        let isNewer = signature.rev > other.rev
        let (loser, winner) = isNewer ? (other, signature) : (signature, other)
        if isNewer {
            kept[place] = nil
            places[key] = kept.count
            kept.append(signature)
        }
        say(
            Diagnostic(
                .warning, id: "duplicate-sid",
                "signature \(loser.gid):\(loser.sid) revision \(loser.rev) is left out for another one",
                at: loser.range, label: "revision \(loser.rev)",
                related: [.init(winner.range, "revision \(winner.rev) is used")],
                help: "give one of them another 'sid'"))
    }

    consuming func finished() -> SignatureSet {
        set.signatures = kept.compactMap { $0 }
        set.counts.loaded = set.signatures.count
        set.names = context.names
        return set
    }
}
