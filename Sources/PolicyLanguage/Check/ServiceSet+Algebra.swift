// SPDX-License-Identifier: Apache-2.0
// Union and difference of services: what lists with "any of" and "!" come to.
import NetworkTypes

extension ServiceSet {
    static let nothing = ServiceSet(others: false)
    static let everything = ServiceSet(others: true)

    init(_ item: ServiceItem) { self.init(others: false, exceptions: [item.proto: item.keys]) }

    /// Whether it holds for no packet.
    public var isEmpty: Bool {
        !others && exceptions.allSatisfy { !$0.value.unread && $0.value.values.isEmpty }
    }

    func union(_ other: ServiceSet) -> ServiceSet {
        combined(with: other, others: others || other.others) { a, b in
            Keys(values: a.values.union(b.values), unread: a.unread || b.unread)
        }
    }

    /// What of `self` provably is not in `other`: where `other` names a port of a protocol, a packet whose
    /// port could not be read may be in it, so that it is taken out too.
    func subtracting(_ other: ServiceSet) -> ServiceSet {
        combined(with: other, others: others && !other.others) { a, b in
            guard b != .none else { return a }
            return Keys(values: a.values.subtracting(b.values), unread: false)
        }
    }

    private func combined(
        with other: ServiceSet, others: Bool, _ combine: (Keys, Keys) -> Keys
    ) -> ServiceSet {
        var result = ServiceSet(others: others)
        for proto in Set(exceptions.keys).union(other.exceptions.keys) {
            let keys = combine(keys(of: proto), other.keys(of: proto))
            if keys != result.keys(of: proto) { result.exceptions[proto] = keys }
        }
        return result
    }
}
