// SPDX-License-Identifier: Apache-2.0
// A message's `dns.*` buffers: each message is a transaction side of its own. In: a message. Out: its
// buffers.
import NetworkTypes
import Protocols
import SignatureMatching
import Signatures

extension DNSMessage {
    /// The message as signatures see it.
    func inspected(_ direction: FlowDirection) -> InspectedTransaction {
        let side = InspectedTransaction(direction: direction, application: .dns)
        side.fields.dnsOpcode = opcode
        // Of queries too: a code in one is strange enough to be looked for.
        side.fields.dnsRcode = UInt16(responseCode)
        side.fields.dnsRecordTypes =
            isResponse ? answers.map(\.type.rawValue) : questions.map(\.type.rawValue)
        for question in questions.prefix(Self.mostNames) { side.append(.dnsQuestionName, question.name) }
        if isResponse {
            fillResponse(side)
        } else {
            for question in questions.prefix(Self.mostNames) {
                side.append(.dnsQuery, question.name)
            }
        }
        side.isComplete = true
        return side
    }

    /// Names of one section that signatures see.
    private static let mostNames = 24

    private func fillResponse(_ side: InspectedTransaction) {
        let (answers, authorities) = (answers.prefix(Self.mostNames), authorities.prefix(Self.mostNames))
        let additionals = additionals.prefix(Self.mostNames)
        for question in questions.prefix(Self.mostNames) { side.append(.dnsResponseName, question.name) }
        for record in answers { side.append(.dnsAnswerName, record.name) }
        for record in authorities { side.append(.dnsAuthorityName, record.name) }
        for record in additionals { side.append(.dnsAdditionalName, record.name) }
        for record in answers + authorities + additionals {
            side.append(.dnsResponseName, record.name)
            if let name = record.data.name { side.append(.dnsResponseName, name) }
        }
    }
}

extension DNSData {
    /// The name that the data is, or has: what a response tells beside the names that it is about.
    fileprivate var name: [UInt8]? {
        switch self {
        case .name(let name), .mailExchange(_, let name): name
        case .service(let service): service.target
        case .startOfAuthority(let authority): authority.primary
        case .address, .text, .keyFingerprint, .certificateAuthority, .other: nil
        }
    }
}
