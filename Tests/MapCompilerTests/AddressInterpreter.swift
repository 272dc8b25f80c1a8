// SPDX-License-Identifier: Apache-2.0
// Reads the tables of addresses as the program does (stages/addresses.bpf.h): an address in, its label and the
// offset of its row out.
import GuardABI
import MapCompiler
import NetworkTypes

struct AddressInterpreter {
    let image: MapImage
    private let header: guard_addresses_header

    init(_ image: MapImage) {
        self.image = image
        header = image.addresses.withUnsafeBytes { $0.loadUnaligned(as: guard_addresses_header.self) }
    }

    /// A number in the tables; zero where the offset does not fit, as `address_at` has it.
    func read<T: BitwiseCopyable>(_ type: T.Type, _ offset: UInt32, or zero: T) -> T {
        image.addresses.withUnsafeBytes { bytes in
            guard Int(offset) + MemoryLayout<T>.size <= bytes.count else { return zero }
            return bytes.loadUnaligned(fromByteOffset: Int(offset), as: T.self)
        }
    }

    private func partition(_ address: IPAddress, _ side: Int) -> guard_partition {
        let number = (address.family == .ipv4 ? 0 : 2) + side
        return withUnsafeBytes(of: header.partitions) { $0.bindMemory(to: guard_partition.self)[number] }
    }

    func row(of address: IPAddress?, side: Int) -> UInt32 {
        guard let address else { return header.unread_row }
        return read(UInt32.self, partition(address, side).labels + label(of: address, side: side) * 8, or: 0)
    }

    func label(of address: IPAddress, side: Int) -> UInt32 {
        let number = (address.family == .ipv4 ? 0 : 2) + side
        guard image.config.partitions >> UInt32(number) & 1 == 1 else { return 0 }
        let root = partition(address, side).root
        guard let bits = address.v4Bits else {
            let entry = entry(root, UInt32(truncatingIfNeeded: address.bits >> 96))
            guard entry >> 62 != 0 else { return UInt32(entry & 0xffff) }
            let key = UInt64(truncatingIfNeeded: address.bits >> 41) & (GUARD_NO_KEY - 1)
            let value = value(of: key, in: UInt32(truncatingIfNeeded: entry))
            if value & GUARD_LABEL != 0 { return value & 0xffff }
            let low = UInt64(truncatingIfNeeded: address.bits) & ((1 << 41) - 1)
            return self.value(of: low, in: value) & 0xffff
        }
        return label(of: UInt8(truncatingIfNeeded: bits), in: entry(root, bits))
    }

    private func entry(_ root: UInt32, _ top: UInt32) -> UInt64 {
        let block = read(UInt32.self, root + (top >> 20) * 4, or: 0)
        if block & GUARD_LABEL != 0 { return UInt64(block & 0xffff) }
        let group = read(
            guard_address_group.self, block * 8 + (top >> 14 & 63) * 16, or: guard_address_group())
        let bit = UInt64(1) << UInt64(top >> 8 & 63)
        guard group.differs & bit != 0 else { return UInt64(group.label) }
        let place = UInt32((group.differs & (bit - 1)).nonzeroBitCount)
        return read(UInt64.self, (group.entries + place) * 8, or: 0)
    }

    private func label(of byte: UInt8, in entry: UInt64) -> UInt32 {
        let (first, second) = (UInt32(entry & 0xffff), UInt32(entry >> 16 & 0xffff))
        switch guard_address_entry(rawValue: UInt32(entry >> 62)) {
        case GUARD_ENTRY_LABEL: return first
        case GUARD_ENTRY_RANGE:
            let (low, high) = (entry >> 32 & 0xff, entry >> 40 & 0xff)
            return low <= byte && byte <= high ? second : first
        case GUARD_ENTRY_BITMAP:
            let word = UInt32(entry >> 32 & 0x3fff_ffff) * 8 + UInt32(byte / 64) * 8
            return read(UInt64.self, word, or: 0) >> UInt64(byte % 64) & 1 == 1 ? second : first
        default: return value(of: UInt64(byte), in: UInt32(truncatingIfNeeded: entry)) & 0xffff
        }
    }

    private func value(of key: UInt64, in tree: UInt32) -> UInt32 {
        var at = (tree & ((1 << 27) - 1)) * 32
        let levels = tree >> 27 & 15
        func above(_ count: UInt32) -> UInt32 {
            UInt32((0..<count).count { read(UInt64.self, at + $0 * 8, or: 0) <= key })
        }
        if levels == UInt32(GUARD_TREE_SHORT) { return read(UInt32.self, at + 16 + above(2) * 4, or: 0) }
        for _ in 0..<levels { at = (read(UInt32.self, at + 56, or: 0) + above(7) * 2) * 32 }
        return read(UInt32.self, at + 40 + above(5) * 4, or: 0)
    }
}
