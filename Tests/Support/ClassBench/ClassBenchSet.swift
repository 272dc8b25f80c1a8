// SPDX-License-Identifier: Apache-2.0
// A ClassBench set: rules in the order of their priority, the headers of its trace and the right answers.
// In: the path of any of its files, `NAME.rules`, `NAME.headers.gz`, `NAME.firstmatch`, `NAME.v6.…`.
import Glibc

public struct ClassBenchSet: Sendable {
    /// Where its files are, without their endings: `/data/acl1_1k` or `/data/acl1_1k.v6`.
    public let stem: String
    public let rules: [ClassBenchRule]

    /// Reads the rules.
    /// - Parameter path: any of the set's files, packed or not, or the stem.
    public init(path: String) throws(SharedDataError) {
        var stem = path[...]
        for ending in [".gz", ".rules", ".headers", ".firstmatch"] where stem.hasSuffix(ending) {
            stem = stem.dropLast(ending.count)
        }
        self.stem = String(stem)
        rules = try Self.lines(Self.file(self.stem, ".rules"), "a rule") { ClassBenchRule($0) }
    }

    public var name: String { String(stem.split(separator: "/").last ?? "") }

    /// The headers of the trace.
    public func headers() throws(SharedDataError) -> [ClassBenchHeader] {
        try Self.lines(Self.file(stem, ".headers"), "a packet header") { ClassBenchHeader($0) }
    }

    /// For each header the position of the first rule that matches, counted from 0; nil for none. An IPv6
    /// set has the answers of the IPv4 set that it was made of.
    public func answers() throws(SharedDataError) -> [Int?] {
        let v4 = stem.hasSuffix(".v6") ? String(stem.dropLast(3)) : stem
        let path = try Self.file(v4, ".firstmatch")
        let numbers = try Self.lines(path, "a rule's position or -1") { line in
            Int(String(decoding: line, as: UTF8.self)).flatMap { $0 >= -1 && $0 < rules.count ? $0 : nil }
        }
        return numbers.map { $0 == -1 ? nil : $0 }
    }

    private static func file(_ stem: String, _ ending: String) throws(SharedDataError) -> String {
        let names = [stem + ending, stem + ending + ".gz"]
        guard let found = names.first(where: { access($0, R_OK) == 0 }) else {
            throw SharedDataError(names[0], "no such file, nor '\(names[1])'")
        }
        return found
    }

    private static func lines<Value>(
        _ path: String, _ wanted: String, _ value: (ArraySlice<UInt8>) -> Value?
    ) throws(SharedDataError) -> [Value] {
        var values: [Value] = []
        for line in try SharedData.bytes(path).split(separator: 0x0a) {
            guard let next = value(line) else {
                let text = String(decoding: line, as: UTF8.self)
                throw SharedDataError(path, line: values.count + 1, "expected \(wanted), got '\(text)'")
            }
            values.append(next)
        }
        return values
    }
}
