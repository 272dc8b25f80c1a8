// SPDX-License-Identifier: Apache-2.0
// Findings that fail are told of, however many, in few lines.
import Testing

@testable import Service

private let second: UInt64 = 1_000_000_000

@Test func `the first failure is told at once, and those of the next ten seconds together`() {
    var telling = FailureTelling()
    telling.add(1)
    #expect(telling.take(at: 5 * second) == 1)
    for number in 0..<1000 {
        telling.add(1)
        #expect(telling.take(at: 5 * second + UInt64(number) * 9_000_000) == nil)
    }
    #expect(telling.take(at: 15 * second) == 1000)
}

@Test func `without a failure nothing is told`() {
    var telling = FailureTelling()
    #expect(telling.take(at: 0) == nil)
    telling.add(0)
    #expect(telling.take(at: 100 * second) == nil)
}
