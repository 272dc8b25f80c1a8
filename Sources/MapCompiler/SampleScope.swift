// SPDX-License-Identifier: Apache-2.0
// Header conditions of inspectors as the datapath compares them. In: scopes. Out: the values of
// guard_sample_scopes.
import GuardABI
import NetworkTypes
import PolicyLanguage

/// What the datapath asks before it samples a packet for one inspector.
public struct SampleScope: Sendable, Hashable {
    /// A struct guard_sample_scope.
    public let bytes: [UInt8]

    /// - Parameters:
    ///   - scope: nil: every flow is needed.
    ///   - inspectorsSeed: the policy's, in whose images alone it holds.
    public init(_ scope: FlowScope?, inspectorsSeed: UInt64) {
        let size = MemoryLayout<guard_sample_scope>.size
        bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = size
            let memory = UnsafeMutableRawPointer.allocate(
                byteCount: size, alignment: MemoryLayout<guard_sample_scope>.alignment)
            defer { memory.deallocate() }
            let record = memory.bindMemory(to: guard_sample_scope.self, capacity: 1)
            if let scope {
                guard_scope_clear(record)
                scope.write(to: record)
            } else {
                guard_scope_open(record)
            }
            guard_scope_set_seed(record, inspectorsSeed)
            buffer.baseAddress.map { UnsafeMutableRawPointer($0).copyMemory(from: memory, byteCount: size) }
        }
    }
}

extension FlowScope {
    fileprivate func write(to record: UnsafeMutablePointer<guard_sample_scope>) {
        for number in Self.carriers { guard_scope_add_carrier(record, number) }
        for range in protocols.ranges {
            for number in range { guard_scope_add_protocol(record, number) }
        }
        for range in tcpPorts.ranges {
            guard_scope_add_ports(record, IPProtocol.tcp.rawValue, range.lowerBound, range.upperBound)
        }
        for range in udpPorts.ranges {
            guard_scope_add_ports(record, IPProtocol.udp.rawValue, range.lowerBound, range.upperBound)
        }
        if addresses.v4.isAll { guard_scope_add_family(record, 4) }
        if addresses.v6.isAll { guard_scope_add_family(record, 6) }
        for (place, range) in zip(UInt32(0)..., addresses.v4.ranges) {
            let ends = (guard_address6(range.lowerBound), guard_address6(range.upperBound))
            guard_scope_add_range(record, 4, place, ends.0, ends.1)
        }
        for (place, range) in zip(UInt32(0)..., addresses.v6.ranges) {
            let ends = (guard_address6(range.lowerBound), guard_address6(range.upperBound))
            guard_scope_add_range(record, 6, place, ends.0, ends.1)
        }
    }
}

extension guard_address6 {
    /// The number of an address of either family.
    fileprivate init(_ number: some FixedWidthInteger & UnsignedInteger) {
        self.init(
            high: UInt64(truncatingIfNeeded: UInt128(number) >> 64), low: UInt64(truncatingIfNeeded: number))
    }
}
