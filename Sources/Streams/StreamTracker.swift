// SPDX-License-Identifier: Apache-2.0
// Packets -> flows -> streams: the step itself. In: IP packets in the order they came. Out: calls to a
// consumer. One thread at a time; the same packets give the same calls.
import NetworkTypes

/// Follows packets, flows and streams, and tells a consumer of them.
public final class StreamTracker<Consumer: StreamConsumer> {
    public let consumer: Consumer
    public let options: StreamOptions
    public internal(set) var counters = StreamCounters()
    /// The time of the last packet or `advance`, nanoseconds since 1970-01-01T00:00Z.
    public private(set) var now = Int64.min

    let table = FlowTable()
    var defragmenter: Defragmenter
    let limits: HalfLimits
    let rules: SessionRules
    /// No flow is over before this time.
    private var nextExpiry = Int64.min

    public init(_ options: StreamOptions, _ consumer: Consumer) {
        self.consumer = consumer
        self.options = options
        defragmenter = Defragmenter(options)
        let memory = StreamMemory(limit: options.maximumStreamBytes)
        limits = HalfLimits(
            memory: memory, queuedBytes: options.maximumQueuedBytes,
            queuedPieces: options.maximumQueuedPieces, historyBytes: options.historyBytes,
            waitsForAcknowledgement: options.waitsForAcknowledgement && !options.isOneSided)
        rules = SessionRules(
            isOneSided: options.isOneSided, limits: limits,
            copies: StreamMemory(limit: options.maximumStreamBytes / 8))
    }

    /// Flows that are known now.
    public var flowCount: Int { table.count }
    /// Bytes of streams that wait or are kept for comparing.
    public var streamBytesHeld: Int { limits.memory.used + rules.copies.used }
    /// Bytes of fragments that wait.
    public var fragmentBytesHeld: Int { defragmenter.byteCount }

    /// Follows a packet; the consumer hears of it before this returns.
    public func follow(_ input: InputPacket) {
        counters.packets &+= 1
        advance(to: input.time)
        var reader = PacketReader(input, time: now, options)
        reader.read()
        guard reader.packet.isFragment else { return handle(reader.packet) }
        followFragment(reader.packet)
    }

    /// Says how late it is where no packets come: flows and fragments that are too old go.
    public func advance(to time: Int64) {
        guard time > now else { return }
        now = time
        if defragmenter.count > 0 { defragmenter.expire(time, &counters) }
        guard time >= nextExpiry else { return }
        expireFlows()
    }

    /// The input is at its end: all flows are closed, in the order they began.
    /// - Parameter closed: called behind each, so that what came of it need not wait for the others.
    public func finish(_ closed: () -> Void = {}) {
        for flow in table.all.sorted(by: { $0.serial < $1.serial }) {
            let slot = table.find(flow.key, flow.key.hash(seed: options.seed))
            guard slot != FlowTable.none else { continue }
            close(slot, .inputEnded)
            closed()
        }
    }

    private func followFragment(_ fragment: DecodedPacket) {
        var anomalies = fragment.anomalies
        var isWhole = false
        if fragment.discardReason == nil {
            isWhole = defragmenter.take(fragment, &anomalies, &counters)
        } else {
            countDiscard(fragment)
        }
        for anomaly in anomalies { consumer.anomaly(anomaly, of: nil, fragment) }
        consumer.strayed(fragment)
        guard isWhole else { return }
        // A copy of the reference: the consumer's calls may not meet a buffer that is being written.
        let datagram = defragmenter.datagram
        datagram.withUnsafeBytes {
            var reader = PacketReader(
                fragment, bytes: $0, headerLength: defragmenter.headerLength, options)
            reader.read()
            handle(reader.packet)
        }
    }

    private func timeout(_ queue: FlowQueue) -> Int64 {
        switch queue {
        case .tcpNew: options.timeouts.tcpNew
        case .tcpEstablished: options.timeouts.tcpEstablished
        case .tcpClosed: options.timeouts.tcpClosed
        case .otherNew: options.timeouts.otherNew
        case .otherEstablished: options.timeouts.otherEstablished
        }
    }

    private func expireFlows() {
        var next = Int64.max
        for queue in FlowQueue.allCases {
            let timeout = timeout(queue)
            while let flow = table[table.oldest(queue)] {
                guard now &- flow.lastTime >= timeout else {
                    next = min(next, flow.lastTime &+ timeout)
                    break
                }
                counters.flowsTimedOut &+= 1
                close(table.oldest(queue), .timeout)
            }
            // A flow that begins now ends no sooner.
            next = min(next, now &+ timeout)
        }
        nextExpiry = next
    }

    /// Closes the flow that is missed least.
    func evict() {
        let cheap = FlowQueue.allCases.filter(\.isCheap)
        let isCheapMany = cheap.reduce(0) { $0 + table.count(of: $1) } * 2 > table.count
        let queues = isCheapMany ? cheap : FlowQueue.allCases
        let oldest = queues.map { table.oldest($0) }.filter { $0 != FlowTable.none }
        let victim = oldest.min { lastTime($0) < lastTime($1) }
        guard let victim else { return }
        counters.flowsEvicted &+= 1
        close(victim, .evicted)
    }

    private func lastTime(_ slot: FlowTable.Slot) -> Int64 { table[slot]?.lastTime ?? Int64.max }
}
