// SPDX-License-Identifier: Apache-2.0
// Points in time as text in, seconds since 1970 out.

/// "2026-12-31T00:00Z" or "2026-12-31T00:00:00Z" in seconds since 1970-01-01T00:00Z.
public func parseTimestamp(_ text: String) throws(ValueError) -> Int64 {
    let bytes = Array(text.utf8)
    guard let shape = ["dddd-dd-ddTdd:dd", "dddd-dd-ddTdd:dd:dd"].first(where: { fits(bytes, $0) }) else {
        throw ValueError(
            id: "timestamp-syntax", "'\(text)' is no point in time",
            help: "write UTC with minutes or seconds, as in 2026-12-31T00:00Z")
    }
    guard bytes.count == shape.utf8.count + 1, bytes.last == UInt8(ascii: "Z") else {
        throw ValueError(
            id: "timestamp-syntax", "point in time '\(text)' is not in UTC",
            help: "only UTC is taken: end in Z, as in \(text.prefix(shape.utf8.count))Z")
    }
    func number(_ range: Range<Int>) -> Int { bytes[range].reduce(0) { $0 * 10 + Int($1 - 0x30) } }
    let (year, month, day) = (number(0..<4), number(5..<7), number(8..<10))
    let (hour, minute) = (number(11..<13), number(14..<16))
    let second = bytes.count > 17 ? number(17..<19) : 0
    guard (1...12).contains(month), (1...daysIn(month, of: year)).contains(day) else {
        throw ValueError(
            id: "out-of-range", "'\(text)' is on no day of the calendar", help: "check the month and the day")
    }
    guard hour < 24, minute < 60, second < 60 else {
        throw ValueError(
            id: "out-of-range", "'\(text)' is at no time of a day",
            help: "use 00:00 to 23:59 and seconds 00 to 59")
    }
    return Int64(daysSince1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)
}

/// Whether the text starts like the shape ("d" is a digit) and what follows it could be a zone.
private func fits(_ bytes: [UInt8], _ shape: String) -> Bool {
    let shape = Array(shape.utf8)
    guard bytes.count >= shape.count else { return false }
    for (byte, expected) in zip(bytes, shape) {
        let isDigit = (0x30...0x39).contains(byte)
        guard expected == UInt8(ascii: "d") ? isDigit : byte == expected else { return false }
    }
    guard bytes.count > shape.count else { return true }
    return [UInt8(ascii: "Z"), UInt8(ascii: "z"), UInt8(ascii: "+"), UInt8(ascii: "-")].contains(
        bytes[shape.count])
}

private func daysIn(_ month: Int, of year: Int) -> Int {
    if month == 2 { return isLeap(year) ? 29 : 28 }
    return [4, 6, 9, 11].contains(month) ? 30 : 31
}

private func isLeap(_ year: Int) -> Bool {
    year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400))
}

/// Days of the proleptic Gregorian calendar, counted in years that start in March.
private func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let years = month <= 2 ? year + 399 : year + 400
    let months = (month + 9) % 12
    let days = years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1
    return days - 719_468 - 146_097
}
