// SPDX-License-Identifier: Apache-2.0
// Fuzz target: rule text through reader, parser and checker, and every diagnostic through its rendering.
// In: the bytes of a signature file. Out: nothing, or a trap: counts that do not add up, and checked forms
// that break what they promise, are traps too.
import Diagnostics
import Signatures

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let rules = SourceText(path: "fuzz.rules", bytes: Array(UnsafeBufferPointer(start: start, count: count)))
    let set = loadSignatures([rules])
    for diagnostic in set.diagnostics { _ = diagnostic.rendered() }
    let counts = set.counts
    precondition(
        counts.rules == counts.loaded + counts.unsupported + counts.errors + counts.superseded,
        "a rule is counted twice, or not at all")
    for signature in set.signatures { judge(signature) }
    return 0
}

/// What the matcher relies on.
private func judge(_ signature: Signature) {
    precondition(signature.sid > 0 && !signature.text.isEmpty, "a signature without number or text")
    precondition(signature.variableCount <= SignatureLimits.variables, "too many variables")
    for group in signature.matches { precondition(!group.inspections.isEmpty, "an empty group") }
    guard let pattern = signature.fastPattern else { return }
    precondition(signature.matches.indices.contains(pattern.group), "a pattern without its group")
    let inspections = signature.matches[pattern.group].inspections
    precondition(inspections.indices.contains(pattern.inspection), "a pattern without its content")
    guard case .content(let content) = inspections[pattern.inspection] else { preconditionFailure() }
    precondition(!content.isNegated && !pattern.bytes.isEmpty, "a pattern that need not be there")
}
