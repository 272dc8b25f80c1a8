// SPDX-License-Identifier: Apache-2.0
// Fuzz target: a TLS connection's bytes, once in one piece and once in single bytes, which must give the
// same. In: a conversation (FuzzConversation). Out: nothing, or a trap.
import FuzzConversation
import Protocols

private func read(_ conversation: FuzzConversation, pieces: Int) -> ([String], TLSSession) {
    let parser = TLSParser()
    let told = conversation.told(
        pieces: pieces, stage: { if case .tls(_, let stage) = $0 { "\(stage)" } else { nil } },
        feed: { parser.feed($0, $1, $2) })
    return (told, parser.session)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let conversation = FuzzConversation(start, count) else { return 0 }
    let whole = read(conversation, pieces: .max / 2)
    let single = read(conversation, pieces: 1)
    precondition(whole.0 == single.0, "single bytes give other records")
    precondition(whole.1.clientHello?.ja4 == single.1.clientHello?.ja4, "single bytes give another hello")
    precondition(whole.1.certificates.count <= ProtocolLimits().tlsCertificates, "a chain over its limit")
    return 0
}
