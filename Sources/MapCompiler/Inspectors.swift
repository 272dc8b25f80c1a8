// SPDX-License-Identifier: Apache-2.0
// Inspectors in the image: what each wants of every flow. In: the policy's inspectors. Out: their records,
// and the number that stands for all of them.
import GuardABI
import PolicyLanguage

extension CheckedPolicy {
    /// Some rule has packets sampled.
    public var inspects: Bool { rules.contains { $0.inspect != nil } }

    /// Stands for the policy's inspectors, their order, and what they want of each flow: where it differs,
    /// numbers of inspectors mean others, and all flows' budgets begin anew.
    public var inspectorsSeed: UInt64 {
        fnv1a(
            inspectors.map {
                "\($0.name)|\($0.samplePackets ?? 0)|\($0.sampleBytes ?? 0)|\($0.everyFlow)\n"
            }.joined())
    }
}

extension PolicyCompiler {
    /// The numbers of inspectors, by name.
    var inspectorNumbers: [String: UInt16] {
        Dictionary(
            policy.inspectors.enumerated().map { ($0.element.name, UInt16(clamping: $0.offset)) },
            uniquingKeysWith: { first, _ in first })
    }

    mutating func writeInspectors() {
        guard policy.inspects else { return }
        config.inspector_count = UInt32(policy.inspectors.count)
        config.inspectors = writer.append(policy.inspectors.map(guard_inspector.init))
        config.inspectors_seed = policy.inspectorsSeed
        config.sample_lines = target.sampleLines
        // In a replay nobody reads samples, and none are given.
        config.sample_bytes = target.isReplay ? UInt32(GUARD_SAMPLE_RING_MIN) : target.sampleBytes
    }
}

extension guard_inspector {
    fileprivate init(_ inspector: Inspector) {
        self.init(
            bytes: inspector.sampleBytes ?? 0, packets: inspector.samplePackets ?? 0,
            every: inspector.everyFlow,
            flags: inspector.onOverload == .drop ? GUARD_INSPECTOR_DROP.rawValue : 0, padding: 0)
    }
}
