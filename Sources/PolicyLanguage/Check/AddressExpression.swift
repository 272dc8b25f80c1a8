// SPDX-License-Identifier: Apache-2.0
// What a list of addresses says by names: kept beside the addresses that it comes to, so that a set can change
// while the policy runs.
import Diagnostics
import NetworkTypes

/// (Any of `included` or `literals`) without (any of `excluded` or `excludedLiterals`).
public struct AddressExpression: Hashable, Sendable {
    /// Positions in the policy's `sets`.
    public var included: [Int] = []
    public var excluded: [Int] = []
    /// What stands in the list itself, `$bogons` among it.
    public var literals = AddressSet()
    public var excludedLiterals = AddressSet()
    /// The list has only items with "!": they are taken out of all addresses.
    public var startsFromAll = false

    public init() {}
}

/// An item of a set that stands in a policy, for telling where an address comes from.
public struct SetItem: Sendable {
    public var isNegated: Bool
    /// The item's addresses; nil for a named set.
    public var addresses: AddressSet?
    /// The named set's position in the policy's `sets`; nil for addresses.
    public var set: Int?
    public var range: SourceRange
}

extension PolicyChecker {
    /// - Returns: nil where the list names no set that can change.
    func expression(_ list: ItemList<AddressTerm>?) -> AddressExpression? {
        guard let list, list.items.contains(where: { namedSet($0.value) != nil }) else { return nil }
        var expression = AddressExpression()
        expression.startsFromAll = !list.items.isEmpty && list.items.allSatisfy(\.negated)
        var parts: (in4: [ClosedRange<UInt32>], in6: [ClosedRange<UInt128>]) = ([], [])
        for item in list.items {
            if let set = namedSet(item.value) {
                if item.negated { expression.excluded.append(set) } else { expression.included.append(set) }
            } else if item.negated {
                expression.excludedLiterals = expression.excludedLiterals.union(literal(item.value))
            } else {
                parts.in4 += literal(item.value).v4.ranges
                parts.in6 += literal(item.value).v6.ranges
            }
        }
        expression.literals = AddressSet(v4: IntervalSet(parts.in4), v6: IntervalSet(parts.in6))
        return expression
    }

    func setItems(_ list: ItemList<AddressTerm>) -> [SetItem] {
        list.items.map { item in
            let set = namedSet(item.value)
            return SetItem(
                isNegated: item.negated, addresses: set == nil ? literal(item.value) : nil, set: set,
                range: item.range)
        }
    }

    private func namedSet(_ term: AddressTerm) -> Int? {
        if case .named(let name) = term, name != Bogons.name { sets.index(of: name) } else { nil }
    }

    private func literal(_ term: AddressTerm) -> AddressSet {
        switch term {
        case .literal(let addresses): addresses
        case .named: Bogons.addresses
        }
    }
}
