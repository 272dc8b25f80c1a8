// SPDX-License-Identifier: Apache-2.0
// Timestamps against counting days one by one, over leap years, centuries and both ends of the clock.
import JSONOutput
import TestSupport
import Testing

private let second: Int64 = 1_000_000_000

private func isLeap(_ year: Int) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }

private func daysOf(month: Int, _ year: Int) -> Int {
    month == 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
}

private func padded(_ number: Int, _ width: Int) -> String {
    String(repeating: "0", count: width - String(number).count) + String(number)
}

@Test func `every day from 1970 to 2261 has its date`() {
    var (year, month, day) = (1970, 1, 1)
    var number: Int64 = 0
    while year < 2262 {
        let wanted = "\(year)-\(padded(month, 2))-\(padded(day, 2))T00:00:00.000000Z"
        if timestamp(nanoseconds: number * 86400 * second) != wanted {
            Issue.record("day \(number) is \(timestamp(nanoseconds: number * 86400 * second)), not \(wanted)")
            return
        }
        day += 1
        if day > daysOf(month: month, year) { (day, month) = (1, month + 1) }
        if month > 12 { (month, year) = (1, year + 1) }
        number += 1
    }
}

@Test func `every day from 1970 back to 1678 has its date`() {
    var (year, month, day) = (1970, 1, 1)
    var number: Int64 = 0
    while year > 1677 {
        let wanted = "\(year)-\(padded(month, 2))-\(padded(day, 2))T00:00:00.000000Z"
        if timestamp(nanoseconds: number * 86400 * second) != wanted {
            Issue.record("day \(number) is \(timestamp(nanoseconds: number * 86400 * second)), not \(wanted)")
            return
        }
        day -= 1
        if day == 0 { month -= 1 }
        if month == 0 { (month, year) = (12, year - 1) }
        if day == 0 { day = daysOf(month: month, year) }
        number -= 1
    }
}

@Test func `hours, minutes, seconds and microseconds are those of the day`() {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededGenerator(seed: seed)
    for _ in 0..<500 {
        let day = Int64.random(in: -100_000...100_000, using: &random)
        let within = Int64.random(in: 0..<86400 * second, using: &random)
        let time = Int(within / second)
        let clock = [time / 3600, time / 60 % 60, time % 60].map { padded($0, 2) }.joined(separator: ":")
        let fraction = padded(Int(within % second) / 1000, 6)
        let text = timestamp(nanoseconds: day * 86400 * second + within)
        #expect(text.hasSuffix("T\(clock).\(fraction)Z"), "seed \(seed): \(text)")
    }
}

private let ends: [(Int64, String)] = [
    (Int64.max, "2262-04-11T23:47:16.854775Z"), (Int64.min, "1677-09-21T00:12:43.145224Z"),
    (-1000, "1969-12-31T23:59:59.999999Z"), (-1001, "1969-12-31T23:59:59.999998Z"),
    (999, "1970-01-01T00:00:00.000000Z"), (1709164800 * second, "2024-02-29T00:00:00.000000Z"),
    (4107542400 * second, "2100-03-01T00:00:00.000000Z"),
]

@Test(arguments: ends)
func `the clock's ends and what is cut are told to the microsecond`(nanoseconds: Int64, text: String) {
    #expect(timestamp(nanoseconds: nanoseconds) == text)
}
