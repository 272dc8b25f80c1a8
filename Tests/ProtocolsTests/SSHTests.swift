// SPDX-License-Identifier: Apache-2.0
// SSH: banners and key exchange offers of both sides.
import NetworkTypes
import TestSupport
import Testing

@testable import Protocols

private func offer(_ lists: [String]) -> [UInt8] {
    let names = lists.map { [0, 0] + TLSBuilder.block16([UInt8]($0)) }.joined()
    let body: [UInt8] = [4, 20] + [UInt8](repeating: 5, count: 16) + names + [UInt8](repeating: 0, count: 9)
    return [0, 0] + TLSBuilder.block16(body)
}

private let lists = ["kex", "host", "enc1", "enc2", "mac1", "mac2", "comp1", "comp2", "", ""]

private func conversation() -> Conversation {
    var conversation = Conversation()
    conversation.server("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
    conversation.client("SSH-2.0-Go\r\n")
    conversation.client(offer(lists))
    conversation.server(offer(lists))
    return conversation
}

@Test func `both banners are split into their parts`() throws {
    let reading = Reading(conversation())
    #expect(reading.appProtocol == .ssh)
    let server = try #require(reading.ssh?.server.banner)
    #expect(server.line.text == "SSH-2.0-OpenSSH_9.2p1 Debian-2")
    #expect(server.protocolVersion.text == "2.0")
    #expect(server.softwareVersion.text == "OpenSSH_9.2p1")
    #expect(server.comment.text == "Debian-2")
    let client = try #require(reading.ssh?.client.banner)
    #expect(client.softwareVersion.text == "Go")
    #expect(client.comment == [])
}

@Test func `each side's offer is its own direction's`() throws {
    let reading = Reading(conversation())
    #expect(reading.ssh?.client.keyExchange?.hasshText.text == "kex;enc1;mac1;comp1")
    #expect(reading.ssh?.server.keyExchange?.hasshText.text == "kex;enc2;mac2;comp2")
    let hash = Hashing.md5([UInt8]("kex;enc1;mac1;comp1")).hexadecimal
    #expect(reading.ssh?.client.keyExchange?.hassh == hash)
    // A client that speaks behind the server is read behind it.
    #expect(Set(reading.stages).count == 4)
}

/// A client's bytes and what is wrong with them.
struct BrokenSSH: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    var testDescription: String { name }
}

@Test(arguments: [
    BrokenSSH(name: "long_banner", text: "SSH-2.0-" + String(repeating: "a", count: 300) + "\r\n"),
    BrokenSSH(name: "long_banner", text: "SSH-2.0-" + String(repeating: "a", count: 248) + "\n"),
    BrokenSSH(name: "invalid_banner", text: "SSH-2.0\r\n"),
    BrokenSSH(name: "invalid_banner", text: "SSH--x\r\n"),
    BrokenSSH(name: "invalid_record", text: "SSH-2.0-x\r\nGET / HTTP/1.1\r\n"),
])
func `what SSH forbids is named`(broken: BrokenSSH) {
    var conversation = Conversation()
    conversation.client(broken.text)
    #expect(Reading(conversation).anomalies == [broken.name])
}

@Test func `a server may say other things first`() {
    let parser = SSHParser()
    [UInt8]("hello\r\nSSH-2.0-x\r\n").withUnsafeBytes { parser.feed($0, .toClient) { _ in } }
    #expect(parser.session.server.banner?.softwareVersion.text == "x")
}

/// OpenSSH takes lines of 8,191 bytes and, from a server, a thousand of them in front.
@Test func `a long line is read as far as the standard goes`() {
    var conversation = Conversation()
    conversation.client("SSH-2.0-evil_1 " + String(repeating: "a", count: 8000) + "\r\n")
    let front = String(repeating: "hello\n", count: 1000) + String(repeating: "b", count: 300) + "\r\n"
    conversation.server(front + "SSH-2.0-" + String(repeating: "x", count: 300) + "\n")
    conversation.client(offer(lists))
    let reading = Reading(conversation)
    #expect(reading.ssh?.client.banner?.softwareVersion.text == "evil_1")
    #expect(reading.ssh?.client.banner?.line.count == 255)
    #expect(reading.ssh?.client.keyExchange != nil)
    #expect(reading.ssh?.server.banner?.softwareVersion.text == String(repeating: "x", count: 247))
    #expect(reading.anomalies == ["long_banner", "long_banner"])
}

@Test func `version 1 ends behind its banner`() {
    var conversation = Conversation()
    conversation.client("SSH-1.5-old\nanything else")
    let reading = Reading(conversation)
    #expect(reading.ssh?.client.banner?.protocolVersion.text == "1.5")
    #expect(reading.anomalies == [])
}
