// SPDX-License-Identifier: Apache-2.0
// A path or a query that is still encoded once it was decoded: some servers, and the programs behind them,
// decode once more. In: what libhtp decoded. Out: what it comes to in the end.

enum HTTPPath {
    /// How often it is decoded beyond the first time.
    static let rounds = 3

    /// The other readings of a URI: its path, its query, or both behind all of their encodings. A server may
    /// decode the one further and not the other.
    /// - Parameter fragment: what stands behind the query, with its `#`.
    static func readings(_ path: [UInt8], _ query: [UInt8]?, fragment: [UInt8]) -> [[UInt8]] {
        let (path, further) = (path, decodedFurther(path).map(settled))
        let asRead = query.map { [0x3f] + $0 } ?? []
        let queryFurther = query.flatMap(decodedFurther).map { [0x3f] + $0 }
        var readings: [[UInt8]] = []
        if let further { readings.append(further + asRead + fragment) }
        if let queryFurther { readings.append(path + queryFurther + fragment) }
        if let further, let queryFurther { readings.append(further + queryFurther + fragment) }
        return readings
    }

    /// The text behind all of its encodings; nil where it has none.
    private static func decodedFurther(_ text: [UInt8]) -> [UInt8]? {
        guard text.contains(0x25) else { return nil }
        var current = text
        for _ in 0..<rounds {
            let next = decoded(current)
            guard next.count < current.count else { break }
            current = next
        }
        return current.count < text.count ? current : nil
    }

    /// `%41`, `%u0041` and the full-width `%uff21` as bytes; what is none of them stays as it is.
    private static func decoded(_ path: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(path.count)
        var index = 0
        while index < path.count {
            if path[index] == 0x25 {
                if let byte = number(path, index &+ 1, digits: 2) {
                    result.append(UInt8(truncatingIfNeeded: byte))
                    index &+= 3
                    continue
                }
                if index &+ 1 < path.count, path[index &+ 1] | 0x20 == 0x75,
                    let byte = number(path, index &+ 2, digits: 4).flatMap(narrow)
                {
                    result.append(byte)
                    index &+= 6
                    continue
                }
            }
            result.append(path[index])
            index &+= 1
        }
        return result
    }

    /// A character of one byte; IIS takes full-width ones for their plain forms.
    private static func narrow(_ character: Int) -> UInt8? {
        switch character {
        case 0...0xff: UInt8(truncatingIfNeeded: character)
        case 0xff01...0xff5e: UInt8(truncatingIfNeeded: character &- 0xfee0)
        default: nil
        }
    }

    private static func number(_ path: [UInt8], _ start: Int, digits: Int) -> Int? {
        guard start &+ digits <= path.count else { return nil }
        var value = 0
        for byte in path[start..<start &+ digits] {
            switch byte {
            case 0x30...0x39: value = value << 4 | Int(byte &- 0x30)
            case 0x41...0x46, 0x61...0x66: value = value << 4 | Int((byte | 0x20) &- 0x57)
            default: return nil
            }
        }
        return value
    }

    /// Without `.`, `..`, empty and backslash folders, as libhtp settles what it decoded.
    private static func settled(_ path: [UInt8]) -> [UInt8] {
        var folders: [ArraySlice<UInt8>] = []
        for folder in path.split(whereSeparator: { $0 == 0x2f || $0 == 0x5c }) {
            if folder == [0x2e] { continue }
            if folder == [0x2e, 0x2e] { _ = folders.popLast() } else { folders.append(folder) }
        }
        let isFolder = path.last == 0x2f || path.last == 0x5c
        return [0x2f] + folders.joined(separator: [0x2f]) + (isFolder && !folders.isEmpty ? [0x2f] : [])
    }
}
