// SPDX-License-Identifier: Apache-2.0
// Inspected traffic over real interfaces: samples of both directions in the ring, those that nobody reads
// counted, and a dropped flow that hears nothing any more.
import CBPF
import Dataplane
import Foundation
import Glibc
import NetworkTypes
import TestSupport
import Testing

extension LiveTests {
    @Suite struct SampleTests {
        let net: TwoHosts
        private let peer = "192.0.2.7"

        init() throws { net = try TwoHosts() }

        private static let inspected = """
            policy: inspected
            default: drop
            inspectors:
              others: {}
              web: { sample: { packets: 50 } }
            rules:
              - { name: others, service: udp/9, inspect: others, action: pass }
              - { name: web, service: [tcp/80, udp/53], inspect: web, action: pass }

            """

        private func apply(_ text: String = SampleTests.inspected) throws {
            try net.server.mustRun("apply", net.policy(text), "--dev", "guard0", "--sample-ring", "1")
        }

        /// The shared state of the server, and the reader of its samples.
        private func ring() throws -> (SharedState, SampleRing) {
            try net.server.inside {
                let state = try #require(try SharedState.open(PinDirectory()))
                let (descriptor, bytes) = try #require(try state.sampleRing())
                return (state, try SampleRing(descriptor: descriptor, bytes: bytes))
            }
        }

        /// A connection to the server's port 80, its socket at the client and the one at the server.
        private func connected() throws -> (client: Socket, server: Socket) {
            let listener = try net.server.listener(at: TwoHosts.serverV4, 80)
            let client = try net.client.starting(from: peer, to: TwoHosts.serverV4, 80)
            var polled = pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0)
            try #require(poll(&polled, 1, 5000) == 1)
            let accepted = accept(listener.descriptor, nil, nil)
            try #require(accepted >= 0)
            return (client, Socket(owning: accepted))
        }

        private static func port(of socket: Socket) -> UInt16? {
            var address = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let result = withUnsafeMutableBytes(of: &address) { bytes in
                bytes.withMemoryRebound(to: sockaddr.self) {
                    getsockname(socket.descriptor, $0.baseAddress, &size)
                }
            }
            return result == 0 ? UInt16(bigEndian: address.sin_port) : nil
        }

        /// Payloads of TCP samples until the bytes of both directions are there.
        private func payloads(_ ring: SampleRing, _ there: Int, _ back: Int) throws -> [Bool: [UInt8]] {
            var found: [Bool: [UInt8]] = [false: [], true: []]
            for _ in 0..<200 {
                guard found[false]?.count != there || found[true]?.count != back else { break }
                _ = try ring.wait(milliseconds: 100)
                ring.read { sample in
                    let ip = sample.networkOffset
                    let length = Int(sample.bytes[ip + 2]) << 8 | Int(sample.bytes[ip + 3])
                    let header = 20 + Int(sample.bytes[ip + 32] >> 4) * 4
                    found[sample.isSent, default: []] += sample.bytes[(ip + header)..<(ip + length)]
                    #expect(sample.inspector == 1 && sample.frameLength == sample.bytes.count)
                }
            }
            return found
        }

        @Test func `a conversation's bytes are sampled in both directions, from the handshake on`() throws {
            try apply()
            let (state, ring) = try ring()
            let (client, server) = try connected()
            let question = [UInt8](repeating: 0x3f, count: 700)
            let answer = (0..<30_000).map { UInt8(truncatingIfNeeded: $0 / 3) }
            #expect(write(client.descriptor, question, question.count) == question.count)
            #expect(server.receive(milliseconds: 2000) == question)
            #expect(write(server.descriptor, answer, answer.count) == answer.count)
            let found = try payloads(ring, question.count, answer.count)
            #expect(found[false] == question)
            #expect(found[true] == answer)
            let counts = try #require(try state.sampleCounts())
            #expect(counts.flows == 1 && counts.lost == 0 && counts.received >= 3 && counts.sent >= 2)
            let status = try net.server.report("status")
            #expect(status["samples"]["lost_full"].int == 0)
            #expect(status["samples"]["sent"].int.map { $0 >= 2 } == true)
            #expect(try net.server.mustRun("status").contains("samples: "))
        }

        @Test func `without the egress program what comes in is sampled all the same`() throws {
            try apply()
            let index = try net.server.inside { if_nametoindex("guard0") }
            let link = try net.server.pinFolder() + "/egress-\(index)"
            // Before Linux 6.6 it is a filter, which stays without its pin.
            guard FileManager.default.fileExists(atPath: link) else { return }
            let descriptor = bpf_obj_get(link)
            try #require(descriptor >= 0 && bpf_link_detach(descriptor) == 0)
            close(descriptor)
            let (state, ring) = try ring()
            let (client, server) = try connected()
            let question = [UInt8](repeating: 0x3f, count: 700)
            #expect(write(client.descriptor, question, question.count) == question.count)
            #expect(server.receive(milliseconds: 2000) == question)
            #expect(write(server.descriptor, "x", 1) == 1)
            #expect(client.receive(milliseconds: 2000) == [0x78])
            let found = try payloads(ring, question.count, 0)
            #expect(found[false] == question && found[true] == [])
            #expect(try state.sampleCounts()?.sent == 0)
        }

        @Test func `samples that nobody reads are lost and counted, and the packets pass`() throws {
            try apply()
            let (state, ring) = try ring()
            let frame = try frame("udp \(peer):1000 > \(TwoHosts.serverV4):9 len 1400")
            var counts = SampleCounts()
            for _ in 0..<100 where counts.lostFull == 0 {
                try net.client.send(frames: [[UInt8]](repeating: frame, count: 20), outOf: "peer0")
                counts = try #require(try state.sampleCounts())
            }
            let isWhole = try eventually {
                counts = try #require(try state.sampleCounts())
                let judged = try net.counters()["rules"]["others"]["packets"].int
                return judged.map(UInt64.init) == counts.received + counts.lostFull
            }
            #expect(isWhole && counts.lostFull > 0 && counts.lostCopy == 0, "\(counts)")
            #expect(try net.server.report("status")["samples"]["lost_full"].int == Int(counts.lostFull))
            #expect(try net.server.mustRun("status").contains("as the ring was full"))
            #expect(ring.read { _ in } == Int(counts.received))
        }

        @Test func `a dropped flow hears and says nothing until it is let go`() throws {
            try apply()
            let (state, _) = try ring()
            let (client, server) = try connected()
            #expect(write(client.descriptor, "a", 1) == 1)
            #expect(server.receive(milliseconds: 2000) == [0x61])
            let port = try #require(Self.port(of: client))
            let flow = FlowEnds(
                .tcp, .init(try #require(IPAddress(peer)), port),
                .init(try #require(IPAddress(TwoHosts.serverV4)), 80))
            let now = programClock()
            try state.drop(DroppedFlow(flow, since: now, ends: now + 600_000_000_000), now: now)
            #expect(write(client.descriptor, "b", 1) == 1)
            #expect(write(server.descriptor, "c", 1) == 1)
            #expect(server.receive(milliseconds: 300) == nil)
            #expect(client.receive(milliseconds: 300) == nil)
            let dropped = try #require(try state.droppedFlow(flow))
            #expect(dropped.received.packets >= 1 && dropped.sent.packets >= 1)
            let status = try net.server.report("status")
            #expect(status["samples"]["dropped_sent"].int.map { $0 >= 1 } == true)
            #expect(try net.counters()["reasons"]["flow"]["drop"].int.map { $0 >= 1 } == true)
            #expect(try state.remove([flow]) == [flow])
            // Both sides send again what was not acknowledged.
            #expect(server.receive(milliseconds: 5000) == [0x62])
            #expect(client.receive(milliseconds: 5000) == [0x63])
        }

        @Test func `budgets and dropped flows outlive an apply, and go with the last inspector`() throws {
            try apply()
            let (state, _) = try ring()
            let flow = FlowEnds(
                .udp, .init(try #require(IPAddress(peer)), 1),
                .init(try #require(IPAddress(TwoHosts.serverV4)), 2))
            try state.drop(DroppedFlow(flow, since: programClock(), ends: nil), now: programClock())
            try apply(Self.inspected.replacingOccurrences(of: "web", with: "site"))
            #expect(try ring().0.droppedFlows().map(\.ends) == [flow])
            try net.apply(Policies.open)
            let pins = try net.server.pinFolder()
            #expect(!FileManager.default.fileExists(atPath: pins + "/guard_samples"))
            #expect(try net.server.report("status")["samples"] == .null)
        }

        @Test(arguments: ["0", "3", "2048"])
        func `a size that no ring can have is refused`(size: String) throws {
            let outcome = try net.server.guarded(
                "apply", net.policy(Self.inspected), "--dev", "guard0", "--sample-ring", size)
            #expect(outcome.exit == 64 && outcome.errors.contains("--sample-ring is '\(size)'"))
        }
    }
}
