// SPDX-License-Identifier: Apache-2.0
// All keywords that are understood, by name. Any other leaves its signature out.

enum KeywordTable {
    static let handlers: [String: KeywordHandler] = {
        var all: [String: KeywordHandler] = [:]
        let tables = [
            describingKeywords, contentKeywords, pcreKeywords, byteKeywords, sizeKeywords, packetKeywords,
            flowKeywords, stateKeywords, rateKeywords, protocolKeywords, transformKeywords, base64Keywords,
            bufferKeywords(),
        ]
        for table in tables { all.merge(table) { $1 } }
        return all
    }()

    private static let names = handlers.keys.sorted()

    static func run(_ option: RuleOption, on draft: inout SignatureDraft) throws(RuleProblem) {
        if let handler = handlers[option.name] ?? handlers[option.name.lowercased()] {
            try handler(&draft, option)
            return
        }
        let name = String(option.name.prefix(48))
        let near = draft.context.suggestion(for: name, among: names)
        throw .unsupported(name, at: option.nameSlice.place, help: near.map { "did you mean '\($0)'?" })
    }
}
