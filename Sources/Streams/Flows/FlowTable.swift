// SPDX-License-Identifier: Apache-2.0
// Packets -> flows: all flows by key, and by how long nothing was seen of them. In: keys, hashes, flows. Out:
// slots, small numbers that a flow has as long as it lives. Nothing here knows time.

/// Flows of one timeout, in the order of their last packets.
enum FlowQueue: UInt8, CaseIterable {
    case tcpNew, tcpEstablished, tcpClosed, otherNew, otherEstablished

    /// Flows that are worth less than an established one when room is needed.
    var isCheap: Bool { self != .tcpEstablished && self != .otherEstablished }
}

/// A hash table with chains, and a list for each queue, all linked by slots: no reference is counted and no
/// flow frees another. A class: of a value each call would hold all its arrays.
final class FlowTable {
    /// A place for a flow; none is -1.
    typealias Slot = Int32
    static let none: Slot = -1

    private struct Link {
        var hash: UInt32 = 0
        var chain = FlowTable.none
        var older = FlowTable.none
        var newer = FlowTable.none
        var queue = FlowQueue.otherNew
    }

    private struct Ends {
        var oldest = FlowTable.none
        var newest = FlowTable.none
        var count = 0
    }

    private var flows: [FlowRecord?] = []
    private var links: [Link] = []
    /// The first slot of each chain; a power of two of them.
    private var buckets = [Slot](repeating: FlowTable.none, count: 1024)
    private var free = FlowTable.none
    private var ends = [Ends](repeating: Ends(), count: FlowQueue.allCases.count)
    private(set) var count = 0

    subscript(slot: Slot) -> FlowRecord? { slot == FlowTable.none ? nil : flows[Int(slot)] }

    func find(_ key: FlowKey, _ hash: UInt32) -> Slot {
        var slot = buckets[bucket(hash)]
        while slot != FlowTable.none {
            let link = links[Int(slot)]
            if link.hash == hash, let flow = flows[Int(slot)], flow.key == key { return slot }
            slot = link.chain
        }
        return FlowTable.none
    }

    /// Adds a flow whose key is not in the table, as the newest of its queue.
    func insert(_ flow: FlowRecord, _ hash: UInt32, _ queue: FlowQueue) -> Slot {
        if count >= buckets.count { grow() }
        let slot = takeSlot()
        let place = bucket(hash)
        flows[Int(slot)] = flow
        links[Int(slot)] = Link(hash: hash, chain: buckets[place], queue: queue)
        buckets[place] = slot
        count += 1
        append(slot, queue)
        return slot
    }

    /// Makes a flow the newest of a queue.
    func touch(_ slot: Slot, _ queue: FlowQueue) {
        if links[Int(slot)].queue == queue, ends[Int(queue.rawValue)].newest == slot { return }
        unlink(slot)
        append(slot, queue)
    }

    func remove(_ slot: Slot) {
        unlink(slot)
        let place = bucket(links[Int(slot)].hash)
        if buckets[place] == slot {
            buckets[place] = links[Int(slot)].chain
        } else {
            var before = buckets[place]
            while before != FlowTable.none, links[Int(before)].chain != slot {
                before = links[Int(before)].chain
            }
            if before != FlowTable.none { links[Int(before)].chain = links[Int(slot)].chain }
        }
        flows[Int(slot)] = nil
        links[Int(slot)].chain = free
        free = slot
        count -= 1
    }

    /// The flow of a queue whose last packet is the longest ago.
    func oldest(_ queue: FlowQueue) -> Slot { ends[Int(queue.rawValue)].oldest }

    func count(of queue: FlowQueue) -> Int { ends[Int(queue.rawValue)].count }

    /// All flows, in no order.
    var all: [FlowRecord] { flows.compactMap { $0 } }

    private func bucket(_ hash: UInt32) -> Int { Int(hash) & (buckets.count - 1) }

    private func takeSlot() -> Slot {
        guard free == FlowTable.none else {
            let slot = free
            free = links[Int(slot)].chain
            return slot
        }
        flows.append(nil)
        links.append(Link())
        return Slot(truncatingIfNeeded: flows.count - 1)
    }

    private func append(_ slot: Slot, _ queue: FlowQueue) {
        let end = Int(queue.rawValue)
        let before = ends[end].newest
        links[Int(slot)].queue = queue
        links[Int(slot)].older = before
        links[Int(slot)].newer = FlowTable.none
        if before == FlowTable.none { ends[end].oldest = slot } else { links[Int(before)].newer = slot }
        ends[end].newest = slot
        ends[end].count += 1
    }

    private func unlink(_ slot: Slot) {
        let link = links[Int(slot)]
        let end = Int(link.queue.rawValue)
        if link.older == FlowTable.none {
            ends[end].oldest = link.newer
        } else {
            links[Int(link.older)].newer = link.newer
        }
        if link.newer == FlowTable.none {
            ends[end].newest = link.older
        } else {
            links[Int(link.newer)].older = link.older
        }
        ends[end].count -= 1
    }

    private func grow() {
        buckets = [Slot](repeating: FlowTable.none, count: buckets.count * 2)
        for index in flows.indices where flows[index] != nil {
            let place = bucket(links[index].hash)
            links[index].chain = buckets[place]
            buckets[place] = Slot(truncatingIfNeeded: index)
        }
    }
}
