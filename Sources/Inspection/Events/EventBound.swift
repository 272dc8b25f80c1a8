// SPDX-License-Identifier: Apache-2.0
// Step "bound": an event's fields in, the same out with what somebody sent cut so that the line has room in a
// message of the inspector's process. What is told of the alert itself stays.
import JSONOutput

/// The most bytes of an event's line, without its end. A message takes 64 KiB.
let longestLine = 60_000
/// Texts are cut to no less: addresses, times, hashes and names of rules are shorter. Where that is too long
/// still, something is left out.
private let leastText = 96

/// What is left out for the line's sake, one behind the other.
private enum Omission: CaseIterable {
    case nothing, longLists, record, signatureDetails

    private static let mostElements = 16
    private static let records: Set = ["http", "dns", "tls", "quic", "ssh", "dhcp"]

    func apply(to members: [(String, JSONValue)]) -> [(String, JSONValue)] {
        switch self {
        case .nothing: members
        case .longLists: members.map { ($0.0, $0.1.cuttingArrays(to: Self.mostElements)) }
        case .record: members.filter { !Self.records.contains($0.0) }
        case .signatureDetails:
            members.map { name, value in
                guard name == "alert", case .object(let fields) = value else { return (name, value) }
                return (name, .object(fields.filter { $0.0 != "metadata" && $0.0 != "references" }))
            }
        }
    }
}

/// The fields of an event whose line is `longestLine` bytes at most: the longest texts are cut first, all to
/// one length.
func bounded(_ members: [(String, JSONValue)]) -> JSONValue {
    let whole = JSONValue.object(members)
    // A quick look is enough for almost all.
    guard whole.roughLength > longestLine, whole.length > longestLine else { return whole }
    var members = members
    var limit = leastText
    for omission in Omission.allCases {
        members = omission.apply(to: members)
        limit = textLimit(members)
        if limit >= leastText { break }
    }
    return .object(
        members.map { name, value in
            (name, isEncoded(name) ? value : value.cuttingStrings(to: max(limit, leastText)))
        })
}

/// Base64 is bounded where it is made, and a part of it may be none.
private func isEncoded(_ name: String) -> Bool { name == "payload" || name == "packet" }

/// To how many bytes texts have to be cut; negative where no length is enough.
private func textLimit(_ members: [(String, JSONValue)]) -> Int {
    var lengths: [Int] = []
    for (name, value) in members where !isEncoded(name) { value.addStringLengths(to: &lengths) }
    lengths.sort()
    var room = longestLine - JSONValue.object(members).length + lengths.reduce(0, +)
    for (index, length) in lengths.enumerated() {
        let share = room / (lengths.count - index)
        if length > share { return share }
        room -= length
    }
    return .max
}
