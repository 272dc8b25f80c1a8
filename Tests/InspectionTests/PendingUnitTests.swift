// SPDX-License-Identifier: Apache-2.0
// What one packet brings of many transactions: each side once, found without a search.
import SignatureMatching
import Testing

@testable import Inspection
@testable import Protocols

private func unit(_ side: InspectedTransaction, _ number: Int) -> TransactionUnit {
    TransactionUnit(side: side, record: .http(HTTPTransaction(index: number)))
}

private func numbers(_ pending: PendingUnit) -> [Int] {
    pending.units.map { if case .http(let transaction) = $0.record { transaction.index } else { -1 } }
}

@Test func `each side has one place with its newest record, and knows it`() {
    let sides = (0..<1000).map { _ in InspectedTransaction(direction: .toServer, application: .http1) }
    var pending = PendingUnit()
    for side in sides { pending.add(unit(side, 0)) }
    for (number, side) in sides.enumerated().reversed() { pending.add(unit(side, number)) }
    #expect(pending.units.count == sides.count && numbers(pending) == Array(sides.indices))
    #expect(sides.map(\.place) == Array(sides.indices))
}

@Test func `a side that comes again with a later packet takes no other one's place`() {
    let sides = (0..<4).map { _ in InspectedTransaction(direction: .toServer, application: .http1) }
    var pending = PendingUnit()
    for (number, side) in sides.enumerated() { pending.add(unit(side, number)) }
    pending.removeAll()
    for number in [3, 1, 0, 3, 1] { pending.add(unit(sides[number], number)) }
    #expect(numbers(pending) == [3, 1, 0])
    #expect(pending.units.allSatisfy { pending.units[$0.side.place].side === $0.side })
}

@Test func `events that stand for themselves are one entry, and leave no other one's place`() {
    let sides = (0..<3).map { _ in InspectedTransaction(direction: .toServer, application: .http1) }
    var pending = PendingUnit()
    for name in ["dns.z_flag_set", "dns.malformed", "dns.z_flag_set"] {
        let event = InspectedTransaction(direction: .toServer, application: .dns)
        (event.isEventOnly, event.fields.events) = (true, [name])
        pending.add(unit(event, 9))
        for (number, side) in sides.enumerated() { pending.add(unit(side, number)) }
    }
    #expect(numbers(pending) == [0, 1, 2, 9])
    #expect(pending.takeEvents(of: .http1) == [])
    #expect(pending.takeEvents(of: .dns) == ["dns.z_flag_set", "dns.malformed"])
    for (number, side) in sides.enumerated() { pending.add(unit(side, number)) }
    #expect(numbers(pending) == [0, 1, 2] && pending.takeEvents(of: .dns) == [])
}
