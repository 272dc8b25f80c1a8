// SPDX-License-Identifier: Apache-2.0
// The reader of samples on rings that no kernel writes: records of all kinds, and rings that lie.
import Glibc
import GuardABI
import Synchronization
import Testing

@testable import Dataplane

private func namelessFile() -> Int32 {
    var path = Array("/tmp/xdpguard-ring-XXXXXX".utf8CString)
    let descriptor = mkstemp(&path)
    unlink(path)
    return descriptor
}

/// A ring in a file, laid out as the kernel's: the reader's page, the writer's page, the data.
private final class FakeRing {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let size: Int
    let descriptor: Int32
    private let memory: UnsafeMutableRawPointer
    private(set) var written: UInt64 = 0

    init(size: Int) throws {
        self.size = size
        descriptor = namelessFile()
        try #require(descriptor >= 0)
        let length = 2 * page + 2 * size
        try #require(ftruncate(descriptor, length) == 0)
        memory = try #require(mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0))
    }

    deinit {
        munmap(memory, 2 * page + 2 * size)
        close(descriptor)
    }

    func reader(fromNow: Bool = false) throws -> SampleRing {
        try SampleRing(descriptor: dup(descriptor), bytes: size, fromNow: fromNow)
    }

    func setRead(_ position: UInt64) { memory.storeBytes(of: position, as: UInt64.self) }
    func setWritten(_ position: UInt64) {
        memory.storeBytes(of: position, toByteOffset: page, as: UInt64.self)
        written = position
    }

    /// Twice, as the kernel maps the data twice.
    private func store(_ byte: UInt8, at position: UInt64) {
        let offset = Int(position & UInt64(size - 1))
        for copy in [offset, offset + size] {
            memory.storeBytes(of: byte, toByteOffset: 2 * page + copy, as: UInt8.self)
        }
    }

    /// Writes a record with this word for its length, and goes on behind it.
    func writeRecord(_ bytes: [UInt8], head: UInt32? = nil) {
        let word = head ?? UInt32(bytes.count)
        let all = withUnsafeBytes(of: word.littleEndian) { Array($0) } + [0, 0, 0, 0] + bytes
        for (index, byte) in all.enumerated() { store(byte, at: written + UInt64(index)) }
        setWritten(written + UInt64((all.count + 7) & ~7))
    }

    func write(_ frame: [UInt8], captured: UInt32? = nil, flags: UInt32 = 0) {
        var head = guard_sample()
        (head.frame_length, head.captured_length) = (UInt32(frame.count), captured ?? UInt32(frame.count))
        (head.slot, head.inspector, head.flags) = (7, 3, UInt8(flags))
        writeRecord(withUnsafeBytes(of: head) { Array($0) } + frame)
    }
}

private func read(_ ring: SampleRing) -> [[UInt8]] {
    var found: [[UInt8]] = []
    ring.read { found.append(Array($0.bytes)) }
    return found
}

@Suite struct SampleRingTests {
    @Test func `records are read in order, round and round`() throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        for round in 0..<200 {
            let frames = (0..<3).map {
                [UInt8](repeating: UInt8(truncatingIfNeeded: round + $0), count: round)
            }
            for frame in frames { fake.write(frame) }
            #expect(read(ring) == frames, "round \(round)")
        }
        #expect(ring.malformed == 0 && ring.pendingBytes == 0)
    }

    @Test func `a head's fields come through`() throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        fake.write([1, 2, 3], captured: 2, flags: GUARD_SAMPLE_SENT.rawValue | GUARD_SAMPLE_DROPPED.rawValue)
        let count = ring.read {
            #expect($0.ruleSlot == 7 && $0.inspector == 3 && $0.isSent && $0.isDropped)
            #expect(Array($0.bytes) == [1, 2] && $0.frameLength == 3)
        }
        #expect(count == 1)
    }

    @Test func `a record that is still written ends the reading, and comes later`() throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        fake.write([1])
        let busy = fake.written
        // Its room is taken as a whole.
        fake.writeRecord([UInt8](repeating: 0, count: 49), head: 1 << 31 | 49)
        #expect(read(ring) == [[1]])
        let end = fake.written
        fake.setWritten(busy)
        fake.write([2])
        fake.setWritten(end)
        #expect(read(ring) == [[2]])
    }

    @Test func `a record that was given up is passed over`() throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        fake.writeRecord([UInt8](repeating: 9, count: 100), head: 1 << 30 | 100)
        fake.write([5])
        #expect(read(ring) == [[5]] && ring.malformed == 0)
    }

    @Test(arguments: [0, 8, 47])
    func `a record without a whole head is malformed, and the next one is read`(count: Int) throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        fake.writeRecord([UInt8](repeating: 0, count: count))
        fake.write([5])
        #expect(read(ring) == [[5]] && ring.malformed == 1)
    }

    @Test func `a head that promises more than the record holds is malformed`() throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        fake.write([1, 2, 3], captured: 4)
        fake.write([1, 2, 3], captured: UInt32.max)
        fake.write([5])
        #expect(read(ring) == [[5]] && ring.malformed == 2)
    }

    @Test func `a record longer than the ring loses what is there, not the reader`() throws {
        let fake = try FakeRing(size: 4096)
        let ring = try fake.reader()
        fake.writeRecord([1], head: 0x3fff_fff0)
        fake.write([2])
        #expect(read(ring) == [] && ring.malformed == 1 && ring.pendingBytes == 0)
        fake.write([3])
        #expect(read(ring) == [[3]])
    }

    /// What another reader left, who may be anybody.
    @Test(arguments: [1, 4, 12, 1 << 40, UInt64.max, UInt64.max - 7] as [UInt64])
    func `a position that cannot be is left for the end`(position: UInt64) throws {
        let fake = try FakeRing(size: 4096)
        fake.write([1])
        fake.setRead(position)
        let ring = try fake.reader()
        #expect(read(ring) == [])
        fake.write([2])
        #expect(read(ring) == [[2]])
    }

    @Test(arguments: Array(stride(from: 8, through: 64, by: 8)) as [UInt64])
    func `from a position within a record nothing is read beyond what is written`(position: UInt64) throws {
        let fake = try FakeRing(size: 4096)
        fake.write([UInt8](repeating: 0xff, count: 40))
        fake.setRead(position)
        let ring = try fake.reader()
        #expect(read(ring).count <= 64)
        #expect(ring.pendingBytes <= 4096)
        ring.skipAll()
        fake.write([2])
        #expect(read(ring) == [[2]])
    }

    @Test func `from now on nothing is read that came before`() throws {
        let fake = try FakeRing(size: 4096)
        fake.write([1])
        let ring = try fake.reader(fromNow: true)
        fake.write([2])
        #expect(read(ring) == [[2]])
    }

    @Test func `a reader goes on where the one before it ended`() throws {
        let fake = try FakeRing(size: 4096)
        for byte in 1...4 { fake.write([UInt8(byte)]) }
        #expect(try fake.reader().read(limit: 3) { _ in } == 3)
        #expect(read(try fake.reader()) == [[4]])
    }

    @Test func `a sample whose reader fails is read all the same`() throws {
        struct Failure: Error {}
        let fake = try FakeRing(size: 4096)
        fake.write([1])
        fake.write([2])
        let ring = try fake.reader()
        #expect(throws: Failure.self) { try ring.read { _ in throw Failure() } }
        #expect(read(ring) == [[2]])
    }

    @Test(arguments: [0, 1, 4095, 4097, 12_288, -4096])
    func `a size that no ring has is refused`(bytes: Int) {
        #expect(throws: KernelError.self) {
            try SampleRing(descriptor: namelessFile(), bytes: bytes)
        }
    }
}
