// SPDX-License-Identifier: Apache-2.0
// Shell patterns for interface names: `*`, `?` and `[a-z]`, `[!a-z]`.

/// Whether `name` matches a shell pattern as glob(7) describes it, without path rules. A `[` that no `]`
/// closes stands for itself. Only the last star is ever tried again, so the time is at most name x pattern
/// length.
public func glob(_ pattern: String, matches name: String) -> Bool {
    let (pattern, name) = (Array(pattern.utf8), Array(name.utf8))
    var (at, index) = (0, 0)
    var retry: (pattern: Int, name: Int)?
    while index < name.count {
        if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
            at += 1
            retry = (at, index)
        } else if let next = step(pattern, at, over: name[index]) {
            at = next
            index += 1
        } else if let star = retry {
            (at, index) = (star.pattern, star.name + 1)
            retry = (at, index)
        } else {
            return false
        }
    }
    return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
}

/// Where the pattern goes on after its element at `at` took `byte`; nil where it does not take it.
private func step(_ pattern: [UInt8], _ at: Int, over byte: UInt8) -> Int? {
    guard at < pattern.count else { return nil }
    if pattern[at] == UInt8(ascii: "["), let close = closingBracket(pattern, at) {
        return bracket(pattern[(at + 1)..<close], contains: byte) ? close + 1 : nil
    }
    return pattern[at] == UInt8(ascii: "?") || pattern[at] == byte ? at + 1 : nil
}

/// The `]` that ends the bracket at `open`: one that stands first, as in `[]a]` and `[!]a]`, is a member.
private func closingBracket(_ pattern: [UInt8], _ open: Int) -> Int? {
    var first = open + 1
    if first < pattern.count, pattern[first] == UInt8(ascii: "!") { first += 1 }
    guard first < pattern.count else { return nil }
    return pattern[(first + 1)...].firstIndex(of: UInt8(ascii: "]"))
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
