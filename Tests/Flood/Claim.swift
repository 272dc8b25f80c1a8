// SPDX-License-Identifier: Apache-2.0
// What a flood must not do, as something that is run and holds or does not. In: how much of a flood. Out: a
// line of figures.
import Glibc
import TestSupport

/// How large floods are.
struct FloodSize {
    var seed: UInt64
    /// A tenth of the packets.
    var isQuick: Bool
    /// The first flood of clients goes on for a minute of virtual time.
    var isMinute = false

    func packets(_ count: Int) -> Int { isQuick ? count / 10 : count }
}

/// What came of a claim.
struct Outcome {
    var holds: Bool
    /// One line.
    var figures: String
    var memory = MemoryWatch()
}

/// Resident memory of this process in a flood: half-way, when tables that only floods fill are full, and at
/// its end.
struct MemoryWatch {
    /// KiB; of several floods those of the largest growth. 0: not known.
    private(set) var before = 0
    private(set) var after = 0
    private var halfway = 0
    /// KiB that a process may grow by while its tables are full: a few pages of its own.
    private let mostGrowth: Int

    init(mostGrowth: Int = 256) { self.mostGrowth = mostGrowth }

    var isFlat: Bool { before > 0 && after - before <= mostGrowth }

    /// To be called once for each packet of a flood.
    @inline(__always)
    mutating func step(_ number: Int, of count: Int) {
        if number == count / 2 { halfway = residentKiB() }
        guard number == count - 1 else { return }
        let end = residentKiB()
        if before == 0 || end - halfway > after - before { (before, after) = (halfway, end) }
    }
}

/// KiB; 0 where the system does not say.
private func residentKiB() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var (size, resident) = (0, 0)
    withUnsafeMutablePointer(to: &size) { size in
        withUnsafeMutablePointer(to: &resident) { resident in
            _ = withVaList([size, resident]) { vfscanf(file, "%ld %ld", $0) }
        }
    }
    return resident * Int(getpagesize()) / 1024
}

/// 12345678 as "12,345,678".
func grouped(_ count: Int) -> String {
    let digits = String(count.magnitude)
    var text = count < 0 ? "-" : ""
    for (place, digit) in digits.enumerated() {
        if place > 0, (digits.count - place) % 3 == 0 { text.append(",") }
        text.append(digit)
    }
    return text
}

/// A number with so many digits behind the point.
func fixed(_ value: Double, _ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let scaled = Int((value.magnitude * scale).rounded())
    let fraction = String(scaled % Int(scale))
    let zeros = String(repeating: "0", count: digits - fraction.count)
    return "\(value < 0 && scaled > 0 ? "-" : "")\(scaled / Int(scale)).\(zeros)\(fraction)"
}
