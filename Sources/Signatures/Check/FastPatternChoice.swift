// SPDX-License-Identifier: Apache-2.0
// Which content the prefilter looks for: the one that the text asks for, else the one that is rarest in
// traffic as far as its bytes and its buffer tell.

struct FastPatternChoice {
    private var best: (pattern: FastPattern, score: Score)?

    /// Larger is better.
    private struct Score: Comparable {
        /// The text asks for it.
        let isPreferred: Bool
        /// Shorter ones are in nearly every packet.
        let isLong: Bool
        /// By the buffer: small ones that few requests have come first.
        let rank: Int
        let strength: Int

        static func < (a: Score, b: Score) -> Bool {
            (a.isPreferred ? 1 : 0, a.isLong ? 1 : 0, a.rank, a.strength)
                < (b.isPreferred ? 1 : 0, b.isLong ? 1 : 0, b.rank, b.strength)
        }
    }

    var pattern: FastPattern? { best?.pattern }

    /// Looks at a group's contents.
    /// - Parameter group: its place in `Signature.matches`.
    mutating func consider(_ matches: BufferMatches, _ chain: SettledChain, _ items: [DraftItem], group: Int)
    {
        // What must be there only where the buffer is cannot be waited for.
        guard !matches.holdsWithoutBuffer else { return }
        for (index, inspection) in matches.inspections.enumerated() {
            guard case .content(let content) = inspection, !content.isNegated else { continue }
            let request = items[chain.origins[index]].fastPattern
            let pattern = FastPattern(content, request, group: group, inspection: index)
            let score = Score(
                isPreferred: request != .none, isLong: pattern.bytes.count >= 4,
                rank: Self.rank(matches), strength: Self.strength(pattern.bytes))
            if best.map({ $0.score < score }) ?? true { best = (pattern, score) }
        }
    }

    private static func rank(_ matches: BufferMatches) -> Int {
        guard matches.transforms.isEmpty else { return 0 }
        switch matches.buffer {
        case .httpMethod, .httpStatusCode, .httpStatusMessage, .httpProtocol, .httpConnection,
            .httpContentLength, .httpAccept, .httpAcceptEncoding, .httpAcceptLanguage, .httpHeaderNames,
            .sshProtocol:
            return 1
        case .payload: return 2
        case let buffer: return buffer.isPacketHeader ? 0 : 3
        }
    }

    /// As Suricata weighs bytes: rare ones more than letters, each value's repetition hardly.
    private static func strength(_ bytes: [UInt8]) -> Int {
        var seen = (low: UInt128(0), high: UInt128(0))
        var strength = 0
        for byte in bytes {
            let bit = UInt128(1) << UInt128(byte & 127)
            let isNew = (byte < 128 ? seen.low : seen.high) & bit == 0
            if byte < 128 { seen.low |= bit } else { seen.high |= bit }
            guard isNew else {
                strength += 1
                continue
            }
            switch byte {
            case 0x00, 0x01, 0xff: strength += 2
            case 0x41...0x5a, 0x61...0x7a: strength += 3
            case 0x20...0x7e: strength += 4
            default: strength += 6
            }
        }
        return strength
    }
}

extension FastPattern {
    fileprivate init(_ content: ContentMatch, _ request: FastPatternRequest, group: Int, inspection: Int) {
        var bytes = content.bytes
        var isWhole = true
        if case .part(let offset, let length) = request {
            bytes = Array(content.bytes[offset..<(offset + length)])
            isWhole = false
        }
        let isAnywhere =
            !content.isRelative && content.length == nil && content.from == .literal(0) && !content.isAtStart
            && !content.isAtEnd && !content.isRetried && !content.isRaw
        self.init(
            group: group, inspection: inspection, bytes: bytes, isCaseInsensitive: content.isCaseInsensitive,
            settlesContent: isWhole && isAnywhere)
    }
}
