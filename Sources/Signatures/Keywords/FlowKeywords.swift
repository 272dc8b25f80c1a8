// SPDX-License-Identifier: Apache-2.0
// flow: direction, state, and whether packets or the stream are looked at.

let flowKeywords: [String: KeywordHandler] = [
    "flow": { draft, option throws(RuleProblem) in
        let value = try required(option, "as in 'established,to_server'")
        for word in value.plain.parts() { try flowWord(word, &draft) }
    }
]

private let flowWords =
    "'to_server', 'to_client', 'established', 'not_established', 'stateless', "
    + "'only_stream', 'no_stream', 'only_frag' or 'no_frag'"

private func flowWord(_ word: Slice, _ draft: inout SignatureDraft) throws(RuleProblem) {
    switch word.text.lowercased() {
    case "to_server", "toserver", "from_client", "fromclient": try direct(toServer: true, word, &draft)
    case "to_client", "toclient", "from_server", "fromserver": try direct(toServer: false, word, &draft)
    case "established": try state(.established, word, &draft)
    case "not_established": try state(.notEstablished, word, &draft)
    case "stateless": try state(.stateless, word, &draft)
    case "only_stream", "onlystream": draft.requiresStream = true
    case "no_stream", "nostream": draft.requiresPacket = true
    case "only_frag": draft.signature.flow.isReassembled = true
    case "no_frag": draft.signature.flow.isReassembled = false
    default: throw RuleProblem("flow", value: word, expected: flowWords)
    }
}

private func direct(
    toServer: Bool, _ word: Slice, _ draft: inout SignatureDraft
) throws(RuleProblem) {
    let flow = draft.signature.flow
    guard !flow.hasDirection || flow.toServer == toServer else { throw conflict(word) }
    draft.signature.flow.hasDirection = true
    draft.signature.flow.toServer = toServer
    draft.signature.flow.toClient = !toServer
}

private func state(
    _ state: FlowConditions.State, _ word: Slice, _ draft: inout SignatureDraft
) throws(RuleProblem) {
    guard [.any, state].contains(draft.signature.flow.state) else { throw conflict(word) }
    draft.signature.flow.state = state
}

private func conflict(_ word: Slice) -> RuleProblem {
    RuleProblem(
        "flow-conflict", "'\(word.text)' contradicts what 'flow' says before", at: word.place,
        help: "delete one of both")
}
