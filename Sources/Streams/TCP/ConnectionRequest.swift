// SPDX-License-Identifier: Apache-2.0
// Flows -> streams: what is kept of SYNs and SYN+ACKs until it is known which connection there is.

/// A connection request, as far as it must be known when its answer comes.
struct ConnectionRequest {
    let sequence: UInt32
    let payloadCount: Int
    /// The SYN's data, of a request that is kept beside the first.
    fileprivate(set) var payload: [UInt8] = []
    let windowScale: UInt8?
    let marks: SegmentMarks

    init(_ packet: DecodedPacket) {
        sequence = packet.tcpSequence
        payloadCount = packet.payload.count
        windowScale = packet.tcpWindowScale
        marks = SegmentMarks(packet.tcpOptions)
    }

    /// One that was not seen, by its SYN+ACK, which has options that both have. How far its windows are to be
    /// shifted is not known: the most that RFC 7323 allows.
    init(answeredBy answer: DecodedPacket) {
        sequence = answer.tcpAcknowledgement &- 1
        payloadCount = 0
        windowScale = answer.tcpWindowScale == nil ? nil : 14
        marks = SegmentMarks(answer.tcpOptions)
    }

    /// Whether an acknowledgement answers it: of the SYN alone, or of all its data too (RFC 7413).
    func isAnswered(by acknowledgement: UInt32) -> Bool {
        let count = Int(acknowledgement &- sequence &- 1)
        return count == 0 || count == payloadCount
    }

    /// Its data was handed on.
    mutating func dropPayload() { payload = [] }
}

/// A SYN+ACK of another connection than the one that is known. Whoever sends it, only the client's next
/// segment says that there is such a connection: a server may have sent it to be rid of its reader.
struct UnconfirmedAnswer {
    private(set) var request: ConnectionRequest
    let sequence: UInt32
    let acknowledgement: UInt32
    let window: Int64
    let windowScale: UInt8?
    let marks: SegmentMarks

    /// - Parameter request: what it answers; nil where that was not seen.
    init(_ answer: DecodedPacket, to request: ConnectionRequest?) {
        self.request = request ?? ConnectionRequest(answeredBy: answer)
        sequence = answer.tcpSequence
        acknowledgement = answer.tcpAcknowledgement
        window = Int64(answer.tcpWindow)
        windowScale = answer.tcpWindowScale
        marks = SegmentMarks(answer.tcpOptions)
        if acknowledgement == self.request.sequence &+ 1 { self.request.dropPayload() }
    }

    /// Whether a client's segment is the first one behind it.
    func isConfirmed(by packet: DecodedPacket) -> Bool {
        packet.tcpAcknowledgement == sequence &+ 1 && packet.tcpSequence == acknowledgement
    }
}

/// SYNs beside the first: the server may take any of them. The earliest and the latest are kept, and the data
/// of the latest (TCP Fast Open).
struct OtherRequests {
    private var requests: [ConnectionRequest] = []
    private static let most = 32
    private static let mostPayload = 4096

    mutating func note(_ packet: DecodedPacket, _ memory: StreamMemory) {
        keep(ConnectionRequest(packet), packet.payload, memory)
    }

    /// - Parameter data: what the SYN brought.
    mutating func keep(_ request: ConnectionRequest, _ data: some Collection<UInt8>, _ memory: StreamMemory) {
        let isSigned = request.marks.isSigned
        if let known = requests.firstIndex(where: { $0.sequence == request.sequence }) {
            // A server without a key has dropped the one with a signature.
            guard requests[known].marks.isSigned, !isSigned else { return }
            memory.giveBack(requests.remove(at: known).payload.count)
        }
        if requests.count == Self.most {
            memory.giveBack(requests.remove(at: Self.most / 2).payload.count)
        }
        var request = request
        request.payload = []
        let count = data.count
        if count > 0, count <= Self.mostPayload, !isSigned {
            makeRoom(for: count, memory)
            if memory.take(count) { request.payload = Array(data) }
        }
        requests.append(request)
    }

    private mutating func makeRoom(for count: Int, _ memory: StreamMemory) {
        var kept = requests.reduce(0) { $0 + $1.payload.count }
        for index in requests.indices where kept + count > Self.mostPayload {
            kept -= requests[index].payload.count
            memory.giveBack(requests[index].payload.count)
            requests[index].payload = []
        }
    }

    /// Rather the one that it answers without data: whoever says so much data makes others.
    func answered(by acknowledgement: UInt32) -> ConnectionRequest? {
        beginning(at: acknowledgement) ?? requests.last { $0.isAnswered(by: acknowledgement) }
    }

    /// The one whose first byte of data has that number.
    func beginning(at sequence: UInt32) -> ConnectionRequest? {
        requests.first { $0.sequence &+ 1 == sequence }
    }

    mutating func removeAll(_ memory: StreamMemory) {
        memory.giveBack(requests.reduce(0) { $0 + $1.payload.count })
        requests = []
    }
}
