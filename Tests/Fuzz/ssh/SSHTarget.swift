// SPDX-License-Identifier: Apache-2.0
// Fuzz target: an SSH connection's bytes, once in one piece and once in single bytes, which must give the
// same. In: a conversation (FuzzConversation). Out: nothing, or a trap.
import FuzzConversation
import Protocols

private func read(_ conversation: FuzzConversation, pieces: Int) -> ([String], SSHSession) {
    let parser = SSHParser()
    let told = conversation.told(
        pieces: pieces, stage: { if case .ssh(_, let stage) = $0 { "\(stage)" } else { nil } },
        feed: { parser.feed($0, $1, $2) })
    return (told, parser.session)
}

@_cdecl("LLVMFuzzerTestOneInput")
public func judgeInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let conversation = FuzzConversation(start, count) else { return 0 }
    let whole = read(conversation, pieces: .max / 2)
    let single = read(conversation, pieces: 1)
    precondition(whole.0 == single.0, "single bytes give other records")
    for (one, other) in [(whole.1.client, single.1.client), (whole.1.server, single.1.server)] {
        precondition(one.banner?.line == other.banner?.line, "single bytes give another banner")
        precondition(one.keyExchange?.hassh == other.keyExchange?.hassh, "single bytes give other keys")
        precondition((one.banner?.line.count ?? 0) <= ProtocolLimits().sshBanner, "a banner over its limit")
    }
    return 0
}
