// SPDX-License-Identifier: Apache-2.0
// Shell patterns for interface names: `*`, `?` and `[a-z]`, `[!a-z]`.

/// Whether `name` matches a shell pattern as glob(7) describes it, without path rules.
public func glob(_ pattern: String, matches name: String) -> Bool {
    matches(Array(pattern.utf8)[...], Array(name.utf8)[...])
}

private func matches(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    switch first {
    case UInt8(ascii: "*"):
        return (name.startIndex...name.endIndex).contains { matches(pattern.dropFirst(), name[$0...]) }
    case UInt8(ascii: "["):
        guard let close = pattern.dropFirst(2).firstIndex(of: UInt8(ascii: "]")), let byte = name.first else {
            return name.first == first && matches(pattern.dropFirst(), name.dropFirst())
        }
        let inside = pattern[(pattern.startIndex + 1)..<close]
        return bracket(inside, contains: byte) && matches(pattern[(close + 1)...], name.dropFirst())
    default:
        guard let byte = name.first, first == UInt8(ascii: "?") || first == byte else { return false }
        return matches(pattern.dropFirst(), name.dropFirst())
    }
}

private func bracket(_ inside: ArraySlice<UInt8>, contains byte: UInt8) -> Bool {
    let negated = inside.first == UInt8(ascii: "!")
    var rest = negated ? inside.dropFirst() : inside
    var found = false
    while let low = rest.first {
        let isRange = rest.count >= 3 && rest[rest.startIndex + 1] == UInt8(ascii: "-")
        let high = isRange ? rest[rest.startIndex + 2] : low
        found = found || (low <= byte && byte <= high)
        rest = rest.dropFirst(isRange ? 3 : 1)
    }
    return found != negated
}
