// SPDX-License-Identifier: Apache-2.0
// checked signatures -> everything that matching needs, immutable: literal databases, regular
// expressions, and indexes of the signatures that have no literal.

import Signatures
import Synchronization

/// A loaded set of signatures, shared by any number of `SignatureMatcher`s.
public final class SignatureEngine: Sendable {
    /// How to load.
    public struct Settings: Sendable {
        /// Where compiled literal databases are kept; nil: they are compiled each time.
        public var cache: DatabaseCache?
        public var regexLimits = RegexLimits()
        /// Inspection steps that one signature may take on one buffer; reaching it is no match, and is
        /// counted.
        public var mostSteps = 3_000
        /// Machine code for regular expressions; without it they are interpreted (no executable memory).
        public var usesMachineCode = true
        /// Which actions are tried first; one that is not named comes last.
        public var actionOrder: [SignatureAction] = [.pass, .drop, .reject, .alert]
        /// Count and time each signature.
        public var isProfiled = false

        public init() {}
    }

    /// A signature that was left out: PCRE2 does not compile what it took when the text was loaded, as
    /// memory runs out.
    public struct Refused: Sendable {
        /// Index into the `SignatureSet`'s list.
        public var position: Int
        public var signature: Signature
        /// As in "pcre: missing closing parenthesis at offset 4".
        public var reason: String
    }

    /// In the order in which they are tried: by action (`Settings.actionOrder`), then setters of bits
    /// before their readers, then by priority, then as they stood in the files.
    public let signatures: [Signature]
    public let refused: [Refused]
    public let cacheOutcome: DatabaseCache.Outcome
    public let settings: Settings
    let plan: MatchPlan
    /// No two engines have the same one: positions of signatures are those of one engine.
    let number = SignatureEngine.lastNumber.add(1, ordering: .relaxed).newValue

    private static let lastNumber = Atomic<UInt64>(0)

    /// Compiles a set. It fails only where Hyperscan itself does.
    public init(_ set: SignatureSet, settings: Settings = Settings()) throws(SignatureEngineError) {
        let compiled = try EngineCompiler.compile(set.signatures, settings: settings)
        signatures = compiled.signatures
        refused = compiled.refused
        cacheOutcome = compiled.outcome
        plan = compiled.plan
        self.settings = settings
    }

    /// Whether any signature looks at a buffer: others need not be made.
    public func wants(_ buffer: Buffer) -> Bool { plan.wantsBuffer[buffer.number] }

    /// Bytes of the literal databases.
    public var databaseByteCount: Int { plan.databaseByteCount }
}

extension Signature {
    /// Its number in any set.
    var key: UInt64 { UInt64(gid) << 32 | UInt64(sid) }
}

/// Why a set could not be loaded.
public struct SignatureEngineError: Error, CustomStringConvertible, Sendable {
    public let description: String
}
