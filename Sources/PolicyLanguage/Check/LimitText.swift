// SPDX-License-Identifier: Apache-2.0
// Parts of limits in the words that policies have for them: what `parseRate` and its like read back.

extension Rate {
    /// As in "1000 pps", "30/m" or "20 Mbit/s".
    public var text: String {
        switch self {
        case .packets(let count, perSeconds: 60): "\(count)/m"
        case .packets(let count, _): "\(count) pps"
        case .bits(let bits) where bits % 1_000_000_000 == 0: "\(bits / 1_000_000_000) Gbit/s"
        case .bits(let bits) where bits % 1_000_000 == 0: "\(bits / 1_000_000) Mbit/s"
        case .bits(let bits) where bits % 1000 == 0: "\(bits / 1000) kbit/s"
        case .bits(let bits): "\(bits) bit/s"
        }
    }
}

extension LimitKey {
    /// As in "source/24" or "rule".
    public var text: String {
        switch self {
        case .source(ipv4Prefix: 32): "source"
        case .source(let prefix): "source/\(prefix)"
        case .destination: "destination"
        case .sourceAndService: "source+service"
        case .connection: "connection"
        case .rule: "rule"
        }
    }
}

extension LimitExcess {
    /// As in "drop" or "ban 10m".
    public var text: String {
        guard case .ban(let nanoseconds) = self else { return "drop" }
        let units: [(String, Int64)] = [
            ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
            ("s", 1_000_000_000), ("ms", 1_000_000),
        ]
        let unit = units.first { nanoseconds % $0.1 == 0 } ?? ("ms", 1_000_000)
        return "ban \(nanoseconds / unit.1)\(unit.0)"
    }
}
