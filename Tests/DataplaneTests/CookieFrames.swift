// SPDX-License-Identifier: Apache-2.0
// What tests of SYN cookies share: the program that sends them, SYNs and the acknowledgements of SYN+ACKs.
import Dataplane
import Diagnostics
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport

/// A program with a rule for SYNs that asks for cookies beyond one a minute, before the default drops.
/// - Parameter interfaces: those of the policy.
func asking(
    _ offer: CookieOffer = fullOffer, on interfaces: [CompileTarget.Interface] = [],
    _ change: (inout CheckedPolicy) -> Void = { _ in }
) throws -> LiveProgram {
    var policy = CheckedPolicy(name: "cookies")
    policy.essential = []
    let nowhere = SourceRange(SourceText(path: "", text: ""), 0, 0)
    var rule = Rule(name: "syns", action: .pass, range: nowhere)
    rule.match.tcpFlags = TCPFlagsMatch(mustBeSet: .syn, mustBeClear: .ack)
    rule.synCookiesAbove = .packets(1, perSeconds: 60)
    policy.rules = [rule]
    change(&policy)
    var target = CompileTarget()
    for (slot, rule) in policy.rules.enumerated() { target.slots[rule.name] = UInt32(slot) }
    target.cookies = offer
    target.interfaces = interfaces
    let image = try compile(policy, for: target)
    return try LiveProgram(
        GenerationImage(config: image.config, tables: image.tables, addresses: image.addresses, info: []))
}

let fullOffer: CookieOffer = {
    var offer = CookieOffer()
    offer.timestamps = true
    offer.sack = true
    offer.windowScaling = true
    offer.scale = 7
    offer.window = 64_000
    return offer
}()

/// A SYN with options.
func syn(_ ends: String, options: [UInt8]) throws -> [UInt8] {
    var builder = try PacketBuilder("tcp \(ends) syn")
    let padded = options + [UInt8](repeating: 0, count: (4 - options.count % 4) % 4)
    builder.segment = Array(builder.segment.prefix(20)) + padded
    builder.segment[12] = UInt8(5 + padded.count / 4) << 4
    builder.segment.replaceSubrange(4..<8, with: [0xff, 0xff, 0xff, 0xff])
    return builder.bytes
}

let mss1460: [UInt8] = [2, 4, 5, 0xb4]
let sack: [UInt8] = [4, 2]
let timestamp: [UInt8] = [8, 10, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0]
let scale: [UInt8] = [1, 3, 3, 9]

/// The acknowledgement that a client sends for a SYN+ACK.
func acknowledgement(_ ends: String, of got: AnswerFrame, add: UInt32 = 1, flags: String = "ack")
    throws -> [UInt8]
{
    var builder = try PacketBuilder("tcp \(ends) \(flags)")
    let number = word(got.segment, 4) &+ add
    let bytes = withUnsafeBytes(of: number.bigEndian) { Array($0) }
    builder.segment.replaceSubrange(4..<12, with: Array(got.segment[8..<12]) + bytes)
    return builder.bytes
}
