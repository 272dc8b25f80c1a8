// SPDX-License-Identifier: Apache-2.0
// One flow's way to its protocol. In: its packets in the order of their arrival, both directions. Out: what
// is known so far, and, after enough packets or at the flow's end, the final answer. The order of steps is
// ndpiReader 4.2's, so that both give one answer.

import CNDPI

/// How far a flow's detection is.
public enum DetectionState: UInt8, Sendable {
    /// Nothing is recognised yet.
    case undecided
    /// The protocol is known; what it carries (host name, certificate, application) may still follow.
    case named
    /// The answer is `result`; packets are no longer looked at.
    case final
}

/// The detection of one flow; its memory goes when it is final, or with the object.
public final class FlowDetection {
    public private(set) var state: DetectionState = .undecided
    /// The protocol as known so far; final when the state is.
    public private(set) var protocols: ProtocolPair = .unknown
    /// The answer, once the state is `.final`.
    public private(set) var result: DetectedProtocol?

    private let detector: ProtocolDetector
    private var flow: UnsafeMutablePointer<ndpi_flow_struct>?
    private var answer = ndpi_protocol()
    private var packets = 0
    /// IP version and transport protocol of the first packet. nDPI keeps TCP's and UDP's state in one place:
    /// a packet of the other kind would read one as the other.
    private var kind: (transport: UInt8, isIPv6: Bool)?

    init(of detector: ProtocolDetector, flow: UnsafeMutablePointer<ndpi_flow_struct>) {
        self.detector = detector
        self.flow = flow
    }

    deinit { release(wasRecognised: true) }

    /// Shows the flow's next packet, in either direction.
    /// - Parameters:
    ///   - packet: the bytes from the IP header on, reassembled or unfragmented; what stands behind the
    ///     packet's own length is ignored. Refused packets are counted and change nothing.
    ///   - timeMilliseconds: the packet's time; with the detector's offset that since 1970-01-01T00:00Z.
    public func feed(_ packet: UnsafeRawBufferPointer, timeMilliseconds: UInt64) -> DetectionState {
        guard let flow, let checked = accepted(packet) else { return state }
        packets += 1
        answer = detector.look(
            at: UnsafeRawBufferPointer(rebasing: packet[..<checked.length]), of: flow,
            timeMilliseconds: timeMilliseconds)
        protocols = ProtocolPair(answer)
        if !protocols.isUnknown { state = .named }
        if isEnough(checked.transport) {
            settle(flow, asking: answer.app_protocol == 0)
        } else if answer.app_protocol != 0, ndpi_extra_dissection_possible(detector.module, flow) == 0 {
            settle(flow, asking: false)
        } else if flow.pointee.fail_with_unknown != 0 || flow.pointee.num_processed_pkts >= Self.mostLooks {
            settle(flow, asking: true)
        } else if flow.bufferedBytes(checked.transport) > detector.limits.bytesPerFlow {
            detector.counters.flowsTooLarge &+= 1
            settle(flow, asking: true)
        }
        return state
    }

    /// Ends the flow: guesses by port and address where nothing was recognised.
    public func finish() -> DetectedProtocol {
        if let flow { settle(flow, asking: true) }
        return result ?? DetectedProtocol(unknownBy: detector)
    }

    /// After as many packets of a flow nDPI itself stops looking (NDPI_MAX_NUM_PKTS_PER_FLOW_TO_DISSECT).
    private static let mostLooks = UInt16(NDPI_MAX_NUM_PKTS_PER_FLOW_TO_DISSECT)

    private func accepted(_ packet: UnsafeRawBufferPointer) -> CheckedPacket? {
        switch PacketCheck.check(packet) {
        case .refused(let cause):
            detector.counters.count(cause)
            return nil
        case .complete(let checked):
            if let kind, kind != (checked.transport, checked.isIPv6) {
                detector.counters.count(.foreign)
                return nil
            }
            kind = (checked.transport, checked.isIPv6)
            return checked
        }
    }

    private func isEnough(_ transport: UInt8) -> Bool {
        switch transport {
        case 6: packets > detector.limits.packetsTCP
        case 17: packets > detector.limits.packetsUDP
        default: false
        }
    }

    /// Makes what is known the answer. `asking`: nDPI is asked for its last word, which is a guess where it
    /// has recognised nothing.
    private func settle(_ flow: UnsafeMutablePointer<ndpi_flow_struct>, asking: Bool) {
        let wasRecognised = flow.pointee.detected_protocol_stack.0 != 0
        if asking {
            var wasGuessed: UInt8 = 0
            answer = ndpi_detection_giveup(detector.module, flow, 1, &wasGuessed)
        }
        protocols = ProtocolPair(answer)
        result = DetectedProtocol(answer, of: flow, by: detector)
        state = .final
        release(wasRecognised: wasRecognised)
    }

    /// `wasRecognised`: by the payload, not by a last guess.
    private func release(wasRecognised: Bool) {
        guard let flow else { return }
        // nDPI frees TLS's texts by the flow's name. Where that is a guess by port, their place may hold what
        // another dissector wrote there, bytes of the packet among it.
        if !wasRecognised { flow.forgetTexts() }
        ndpi_free_flow(flow)
        self.flow = nil
        detector.openFlows -= 1
    }
}

extension ProtocolPair {
    init(_ answer: ndpi_protocol) {
        self.init(
            master: ProtocolID(rawValue: answer.master_protocol),
            application: ProtocolID(rawValue: answer.app_protocol))
    }
}

extension UnsafeMutablePointer<ndpi_flow_struct> {
    /// Bytes of the buffers that grow with what the packets say.
    fileprivate func bufferedBytes(_ transport: UInt8) -> Int {
        var count = Int(pointee.kerberos_buf.pktbuf_maxlen)
        if transport == 6 { count += Int(pointee.l4.tcp.tls.message.buffer_len) }
        return count
    }

    /// Takes out the pointers to TLS's texts.
    fileprivate func forgetTexts() {
        pointee.protos.tls_quic.server_names = nil
        pointee.protos.tls_quic.alpn = nil
        pointee.protos.tls_quic.tls_supported_versions = nil
        pointee.protos.tls_quic.issuerDN = nil
        pointee.protos.tls_quic.subjectDN = nil
        pointee.protos.tls_quic.encrypted_sni.esni = nil
    }
}
