// SPDX-License-Identifier: Apache-2.0
// Random header conditions of inspectors, around the addresses and ports that random packets have.
import NetworkTypes

extension SeededGenerator {
    /// Which flows an inspector needs; nil: all.
    mutating func flowScope() -> FlowScope? {
        guard chance(85) else { return nil }
        let protocols: [UInt8] = [1, 6, 6, 6, 17, 17, 17, 58, 132, 50, 0, 255]
        let numbers = (0..<below(4)).map { _ in pick(protocols) }.map { $0...$0 }
        return FlowScope(
            protocols: chance(30) ? .all : IntervalSet(numbers), tcpPorts: scopePorts(),
            udpPorts: scopePorts(), addresses: scopeAddresses())
    }

    private mutating func scopePorts() -> IntervalSet<UInt16> {
        if chance(30) { return .all }
        return IntervalSet(
            (0..<below(4)).map { _ in
                let first = pick([0, 22, 53, 63, 64, 80, 443, 1000, 40_000, 65_535] as [UInt16])
                return first...max(first, chance(50) ? first : first &+ UInt16(below(2000)))
            })
    }

    private mutating func scopeAddresses() -> AddressSet {
        if chance(30) { return .all }
        let v4 = (0..<below(12)).map { _ in
            let first = pick(World.v4)
            return first...max(first, chance(50) ? first : first &+ UInt32(below(300)))
        }
        let v6 = (0..<below(12)).map { _ in
            let first = pick(World.v6)
            return first...max(first, chance(50) ? first : first &+ UInt128(below(300)) << 64)
        }
        return AddressSet(
            v4: chance(20) ? .all : IntervalSet(v4), v6: chance(20) ? .all : IntervalSet(v6))
    }
}
