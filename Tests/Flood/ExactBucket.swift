// SPDX-License-Identifier: Apache-2.0
// A token bucket in whole numbers without rounding, which shares nothing with the one that is examined. In:
// amounts and times. Out: whether they fit, and by how much they do not.
import PolicyLanguage

/// What is missing of a bucket, in credits: `unit` for a packet or byte, `perNanosecond` come back.
struct ExactBucket {
    private let unit: Int128
    private let perNanosecond: Int128
    private let capacity: Int128
    private var missing: Int128 = 0
    private var last: UInt64

    /// - Parameters:
    ///   - burst: in packets or bytes, as the rate counts.
    ///   - thousandths: of the rate: 1000 is the rate itself.
    init(_ rate: Rate, burst: Int, thousandths: Int = 1000, from start: UInt64) {
        switch rate {
        case .packets(let count, let seconds):
            unit = Int128(seconds) * 1_000_000_000 * 1000
            perNanosecond = Int128(count) * Int128(thousandths)
        case .bits(let bits):
            unit = 8 * 1_000_000_000 * 1000
            perNanosecond = Int128(bits) * Int128(thousandths)
        }
        capacity = Int128(burst) * unit
        last = start
    }

    /// Packets or bytes of the rate in so many nanoseconds.
    func allowance(_ nanoseconds: UInt64) -> Double {
        Double(nanoseconds) * Double(perNanosecond) / Double(unit)
    }

    /// Takes an amount where it is there.
    mutating func takes(_ amount: Int, at now: UInt64) -> Bool {
        refill(now)
        guard missing + Int128(amount) * unit <= capacity else { return false }
        missing += Int128(amount) * unit
        return true
    }

    /// Takes an amount that someone else let through. What is missing is always that of the worst window, so
    /// that no window between two packets is left out.
    /// - Returns: how many credits more than burst and rate went through in the worst of all windows that end
    ///   now; below 0: less. For `amount(ofCredits:)`.
    mutating func charge(_ amount: Int, at now: UInt64) -> Int128 {
        refill(now)
        missing += Int128(amount) * unit
        return missing - capacity
    }

    /// Packets or bytes.
    func amount(ofCredits credits: Int128) -> Double { Double(credits) / Double(unit) }

    private mutating func refill(_ now: UInt64) {
        missing = max(0, missing - Int128(now - last) * perNanosecond)
        last = now
    }
}
