// SPDX-License-Identifier: Apache-2.0
// Reads a map image as the XDP program does (stages/tables.bpf.h, stages/classify.bpf.h) with bit vectors,
// step by step, so
// that the compiler is tested without a kernel. Image and fields in; failsafe bits and matching rules out.
import GuardABI
import MapCompiler
import NetworkTypes

struct ImageInterpreter {
    let image: MapImage
    private let addresses: AddressInterpreter
    /// IPv4's, also for packets without an IP header, and IPv6's.
    private let classifiers: [guard_classifier]

    init(_ image: MapImage) {
        self.image = image
        let config = image.config
        addresses = AddressInterpreter(image)
        classifiers = [config.classifiers.0, config.classifiers.1]
    }

    /// A number in the tables; zero where the offset does not fit, as `table_at` has it.
    func read<T: BitwiseCopyable>(_ type: T.Type, _ offset: UInt32, or zero: T) -> T {
        image.tables.withUnsafeBytes { bytes in
            guard Int(offset) + MemoryLayout<T>.size <= bytes.count else { return zero }
            return bytes.loadUnaligned(fromByteOffset: Int(offset), as: T.self)
        }
    }

    private func classifier(_ address: IPAddress?) -> guard_classifier {
        classifiers[address?.family == .ipv6 ? 1 : 0]
    }

    private func rowBytes(_ classifier: guard_classifier) -> UInt32 {
        (UInt32(GUARD_ROW_WORDS.rawValue) + classifier.words) * 8
    }

    // MARK: Rows

    private func indexRow(_ dimension: Int, _ table: guard_index_table, _ fields: Fields) -> UInt32 {
        let value = self.value(guard_dimension(rawValue: UInt32(dimension)), fields)
        let number = read(UInt16.self, table.classes + value * 2, or: 0)
        return table.rows + UInt32(number) * rowBytes(classifier(fields.source))
    }

    /// `dimension_value` of rows.bpf.h.
    private func value(_ dimension: guard_dimension, _ fields: Fields) -> UInt32 {
        func shifted(_ field: (some BinaryInteger)?) -> UInt32 { field.map { 1 + UInt32($0) } ?? 0 }
        func tag(_ position: Int) -> UInt32 {
            if position < fields.tags.count { return 2 + UInt32(fields.tags[position]) }
            return fields.tagsWereRead ? 1 : 0
        }
        switch dimension {
        case GUARD_DIM_SERVICE: return service(fields)
        case GUARD_DIM_SOURCE_PORT: return shifted(fields.sourcePort)
        case GUARD_DIM_TCP_FLAGS: return shifted(fields.tcpFlags?.rawValue)
        case GUARD_DIM_INTERFACE: return interface(fields.interface)
        case GUARD_DIM_VLAN: return tag(0)
        case GUARD_DIM_INNER_VLAN: return tag(1)
        case GUARD_DIM_LENGTH: return shifted(fields.length.map { min($0, 0xffff) })
        case GUARD_DIM_TTL: return shifted(fields.ttl)
        case GUARD_DIM_DSCP: return shifted(fields.dscp)
        case GUARD_DIM_IP_OPTIONS: return shifted(fields.hasOptions.map { $0 ? 1 : 0 })
        case GUARD_DIM_FRAGMENT:
            return shifted(fields.fragment.flatMap { FragmentKind.allCases.firstIndex(of: $0) })
        default: return 0
        }
    }

    private func service(_ fields: Fields) -> UInt32 {
        guard let proto = fields.proto else { return 0 }
        let base = read(UInt32.self, image.config.service_base + UInt32(proto.rawValue) * 4, or: 0)
        return fields.key.map { base + 1 + UInt32($0) } ?? base
    }

    /// The names of the tests' target are numbered from 101 on.
    private func interface(_ name: String?) -> UInt32 {
        guard let position = name.flatMap({ testInterfaces.firstIndex(of: $0) }) else { return 0 }
        return withUnsafeBytes(of: image.config.interfaces) { bytes in
            let known = bytes.bindMemory(to: UInt32.self).prefix(Int(image.config.interface_count))
            return known.firstIndex(of: 101 + UInt32(position)).map { 1 + UInt32($0) } ?? 0
        }
    }

    // MARK: The search

    /// Offsets in the tables, and those in the tables of addresses.
    private struct Rows {
        var index: [UInt32]
        var addresses: [UInt32]
    }

    private func rows(_ fields: Fields) -> Rows {
        let classifier = classifier(fields.source)
        let index = withUnsafeBytes(of: classifier.index) { Array($0.bindMemory(to: guard_index_table.self)) }
        let used = index.indices.filter { index[$0].enabled != 0 }
        return Rows(
            index: used.map { indexRow($0, index[$0], fields) },
            addresses: classifier.addresses != 0
                ? [addresses.row(of: fields.source, side: 0), addresses.row(of: fields.destination, side: 1)]
                : [])
    }

    private func word(_ number: guard_row_words, plus offset: UInt32 = 0, of rows: Rows) -> UInt64 {
        let at = (number.rawValue + offset) * 8
        let bits = rows.index.reduce(UInt64.max) { $0 & read(UInt64.self, $1 + at, or: 0) }
        return rows.addresses.reduce(bits) { $0 & addresses.read(UInt64.self, $1 + at, or: 0) }
    }

    /// The failsafe bits of a packet, and the flags of its source.
    func head(_ fields: Fields) -> (failsafe: UInt64, neverBan: Bool) {
        // Without entries the program does not ask.
        let mask = image.config.flags & GUARD_CFG_FAILSAFE.rawValue == 0 ? 0 : (UInt64(1) << 62) - 1
        let source = addresses.read(UInt64.self, addresses.row(of: fields.source, side: 0), or: 0)
        return (word(GUARD_ROW_HEAD, of: rows(fields)) & mask, source >> 63 == 1)
    }

    /// All rules that match, in order.
    func rules(_ fields: Fields) -> [Int] {
        let rows = rows(fields)
        let classifier = classifier(fields.source)
        var found: [Int] = []
        for number in 0..<classifier.rule_words {
            // With one word the program does not ask the summary.
            if classifier.words > 1, word(GUARD_ROW_SUMMARY, of: rows) >> UInt64(number) & 1 == 0 {
                continue
            }
            let bits = word(GUARD_ROW_WORDS, plus: number, of: rows)
            found += (0..<64).filter { bits >> UInt64($0) & 1 == 1 }.map {
                bitRule(number * 64 + UInt32($0), classifier)
            }
        }
        return found.filter { isConfirmed($0, fields) }
    }

    private func bitRule(_ bit: UInt32, _ classifier: guard_classifier) -> Int {
        Int(classifier.numbers == 0 ? bit : read(UInt32.self, classifier.numbers + bit * 4, or: .max))
    }

    func rule(_ number: Int) -> guard_rule {
        read(guard_rule.self, image.config.rules + UInt32(number) * 32, or: guard_rule())
    }

    /// What the rows cannot say: end time, state and payload.
    private func isConfirmed(_ number: Int, _ fields: Fields) -> Bool {
        let rule = self.rule(number)
        if rule.flags & UInt8(GUARD_RULE_EXPIRES) != 0, fields.timeNanoseconds >= rule.expires_ns {
            return false
        }
        // Packets here are of no connection.
        let states = rule.flags & UInt8(GUARD_RULE_NEW | GUARD_RULE_ESTABLISHED)
        if states == UInt8(GUARD_RULE_ESTABLISHED) { return false }
        let payload = fields.payload ?? []
        let window = Array(payload.prefix(64)) + [UInt8](repeating: 0, count: 80)
        return rule.pattern_count == 0
            || (0..<UInt32(rule.pattern_count)).contains { position in
                let at = image.config.patterns + (rule.pattern_first + position) * 40
                let pattern = read(guard_pattern.self, at, or: guard_pattern())
                let bytes = Array(window[Int(pattern.offset)...].prefix(16))
                guard Int(pattern.offset) + Int(pattern.length) <= min(payload.count, 64) else {
                    return false
                }
                return bytes.withUnsafeBytes {
                    $0.loadUnaligned(as: UInt64.self) & pattern.mask.0 == pattern.value.0
                        && $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) & pattern.mask.1
                            == pattern.value.1
                }
            }
    }
}

/// The interfaces that the tests' images are compiled for.
let testInterfaces = ["veth0", "veth1", "lo", "uplink"]

/// Slots run backwards from 1000, so that no rule's slot is its number.
func testTarget(rules: [String] = []) -> CompileTarget {
    var target = CompileTarget()
    target.isReplay = true
    target.classifier = .bitVectors
    target.interfaces = testInterfaces.enumerated().map {
        .init(name: $0.element, index: 101 + UInt32($0.offset))
    }
    target.slots = Dictionary(
        rules.enumerated().map { ($0.element, 1000 - UInt32($0.offset)) }, uniquingKeysWith: { a, _ in a })
    return target
}
