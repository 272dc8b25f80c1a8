// SPDX-License-Identifier: Apache-2.0
// Scopes of flows: unions, and addresses that become so few ranges as the datapath compares.
import NetworkTypes
import Testing

@Test func `more than eight ranges of addresses are joined over the narrowest gaps`() {
    let starts: [UInt32] = [0, 100, 200, 300, 400, 500, 600, 700, 800]
    let singles = starts.map { (start: UInt32) -> ClosedRange<UInt32> in
        let length: UInt32 = start == 300 ? 98 : 10
        return start...start + length
    }
    let scope = FlowScope(addresses: AddressSet(v4: IntervalSet(singles)))
    // From 300 to 398 and from 400 on there is but one number between.
    #expect(scope.addresses.v4.ranges.count == FlowScope.mostRanges)
    #expect(scope.addresses.v4.ranges[3] == 300...410)
    #expect(singles.allSatisfy { scope.addresses.v4.contains($0.lowerBound) })
    #expect(!scope.addresses.v4.contains(250))
}

@Test func `eight ranges stay as they are, and so does everything`() {
    let starts: [UInt128] = [0, 1, 2, 3, 4, 5, 6, 7]
    let eight = IntervalSet(
        starts.map { (start: UInt128) -> ClosedRange<UInt128> in
            let first = start << 64
            return first...first + 5
        })
    #expect(FlowScope(addresses: AddressSet(v6: eight)).addresses.v6 == eight)
    #expect(FlowScope.all.addresses == .all)
}

@Test func `a union holds for what either part holds for`() {
    let web = FlowScope(
        protocols: IntervalSet(6...6), tcpPorts: IntervalSet(80...80),
        addresses: AddressSet(v4: IntervalSet(1...5)))
    let names = FlowScope(
        protocols: IntervalSet(17...17), udpPorts: IntervalSet(53...53),
        addresses: AddressSet(v4: IntervalSet(9...9)))
    let both = web.union(names)
    #expect(both.protocols.ranges == [6...6, 17...17])
    #expect(both.tcpPorts == web.tcpPorts && both.udpPorts == names.udpPorts)
    #expect(both.addresses.v4.ranges == [1...5, 9...9])
    #expect(web.union(.none) == web && web.union(.all) == .all)
}
