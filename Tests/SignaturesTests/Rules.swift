// SPDX-License-Identifier: Apache-2.0
// Rules for tests: a rule's options in, its checked form or its diagnostics out. Places that a diagnostic
// should name stand between « and » in the text.
import Diagnostics
import Signatures

/// A load of one text.
func load(_ text: String, settings: SignatureSettings = SignatureSettings()) -> SignatureSet {
    loadSignatures([SourceText(path: "test.rules", text: text)], settings: settings)
}

/// Why a rule that a test needs is not there.
struct NotLoaded: Error, CustomStringConvertible {
    let description: String
}

/// The only signature of a text.
func signature(rule text: String, settings: SignatureSettings = SignatureSettings()) throws -> Signature {
    let set = load(text, settings: settings)
    guard let signature = set.signatures.first, set.signatures.count == 1 else {
        throw NotLoaded(
            description: "\(set.signatures.count) signatures of: \(text)\n"
                + set.diagnostics.map { $0.rendered() }.joined())
    }
    return signature
}

/// The signature with these options, `sid` added.
func signature(_ options: String, proto: String = "tcp") throws -> Signature {
    try signature(rule: "alert \(proto) any any -> any any (\(options) sid:1;)")
}

/// The inspections of the only buffer.
func inspections(_ options: String, proto: String = "tcp") throws -> [Inspection] {
    let matches = try signature(options, proto: proto).matches
    guard let group = matches.first, matches.count == 1 else {
        throw NotLoaded(description: "\(matches.count) buffers of: \(options)")
    }
    return group.inspections
}

/// The contents of the only buffer.
func contents(_ options: String, proto: String = "tcp") throws -> [ContentMatch] {
    try inspections(options, proto: proto).map { inspection in
        guard case .content(let content) = inspection else {
            throw NotLoaded(description: "\(inspection) is no content")
        }
        return content
    }
}

/// A text with one marked place.
struct MarkedText {
    let text: String
    /// In bytes of `text`.
    let place: Range<Int>

    init(_ marked: String) {
        let parts = marked.split(separator: "«", maxSplits: 1, omittingEmptySubsequences: false)
        let behind = (parts.last ?? "").split(separator: "»", maxSplits: 1, omittingEmptySubsequences: false)
        let before = parts.count == 2 ? String(parts[0]) : ""
        let within = String(behind.first ?? "")
        text = before + within + (behind.count == 2 ? String(behind[1]) : "")
        place = before.utf8.count..<(before.utf8.count + within.utf8.count)
    }
}
