// SPDX-License-Identifier: Apache-2.0
// Samples out of the ring that the kernel fills. In: the ring's descriptor and size. Out: each sample once,
// as bytes in the ring itself. It needs no privileges and no system calls but mmap and poll: an inspector
// without any gets the descriptor from whoever may open the ring.
import Glibc
import GuardABI
import Synchronization

/// A packet that the kernel sampled. Its bytes are valid for the time of the call that it is given to.
public struct Sample {
    /// CLOCK_MONOTONIC nanoseconds.
    public var nanoseconds: UInt64
    /// A keyed hash of the packet's flow, the same in both directions.
    public var flow: UInt64
    /// Stands for the policy's inspectors: `inspector` counts in those of the image with this
    /// `inspectors_seed`.
    public var inspectorsSeed: UInt64
    /// Position of the inspector in the policy.
    public var inspector: Int
    /// The slot of the rule that asked.
    public var ruleSlot: UInt32
    public var interfaceIndex: UInt32
    /// This host sends it; else it came in.
    public var isSent: Bool
    /// The policy drops or rejects it.
    public var isDropped: Bool
    /// Of the frame, in bytes; `bytes` are the first of them, mostly all.
    public var frameLength: Int
    /// Where the IP header begins that rules judge: in a tunnel the inner one.
    public var networkOffset: Int
    /// From the Ethernet header on.
    public var bytes: UnsafeRawBufferPointer
}

/// The one reader of the samples. Not to be used by several threads at a time.
public final class SampleRing {
    private let descriptor: Int32
    private let size: Int
    /// The page that this side writes: how far it has read.
    private let consumerPage: UnsafeMutableRawPointer
    /// The kernel's page and behind it the data, twice, so that no record is torn. Read only.
    private let producerPage: UnsafeMutableRawPointer
    private let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    /// There were samples when last looked: one may have come since without waking anybody.
    private var isTail = false
    /// Records that were none: never so, unless somebody wrote where the kernel alone does.
    public private(set) var malformed: UInt64 = 0

    /// Takes ownership of the descriptor.
    /// - Parameters:
    ///   - bytes: of the ring: a power of two, at least a page.
    ///   - fromNow: leaves out what is in the ring already. Where a reader before this one cannot be trusted,
    ///     neither can be how far it says that it has read.
    public init(descriptor: Int32, bytes: Int, fromNow: Bool = false) throws(KernelError) {
        self.descriptor = descriptor
        size = bytes
        guard bytes >= page, bytes & (bytes - 1) == 0, bytes <= 1 << 31 else {
            close(descriptor)
            throw KernelError("map the samples' ring of \(bytes) bytes", code: EINVAL)
        }
        guard let consumer = mmap(nil, page, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0),
            consumer != MAP_FAILED
        else {
            let code = errno
            close(descriptor)
            throw KernelError("map the samples' ring", code: code)
        }
        guard let producer = mmap(nil, page + 2 * bytes, PROT_READ, MAP_SHARED, descriptor, page),
            producer != MAP_FAILED
        else {
            let code = errno
            munmap(consumer, page)
            close(descriptor)
            throw KernelError("map the samples' ring of \(bytes) bytes", code: code)
        }
        (consumerPage, producerPage) = (consumer, producer)
        let (read, written) = (position, end)
        if fromNow || read % 8 != 0 || read > written || written - read > UInt64(bytes) { skipAll() }
    }

    deinit {
        munmap(consumerPage, page)
        munmap(producerPage, page + 2 * size)
        close(descriptor)
    }

    /// How far this side has read.
    private var position: UInt64 {
        get {
            consumerPage.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .relaxed)
        }
        set {
            consumerPage.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.store(
                newValue, ordering: .releasing)
        }
    }

    /// How far the kernel has written.
    private var end: UInt64 {
        producerPage.assumingMemoryBound(to: Atomic<UInt64>.self).pointee.load(ordering: .acquiring)
    }

    /// Bytes of the ring that wait to be read, heads and gaps included.
    public var pendingBytes: Int { Int(clamping: end &- position) }

    /// Bytes of the ring.
    public var capacity: Int { size }

    /// Leaves out all that is there.
    public func skipAll() { position = end }

    /// Waits until there are samples, at most so long. The kernel wakes nobody for samples that come within
    /// 200 us of a wakeup: behind some samples this looks again after a millisecond, whatever was asked for.
    /// - Parameter milliseconds: negative: until there are some.
    /// - Returns: whether there are.
    public func wait(milliseconds: Int32) throws(KernelError) -> Bool {
        if end != position { return true }
        if isTail {
            isTail = false
            if try poll(milliseconds < 0 ? 1 : min(1, milliseconds)) { return true }
        }
        return try poll(milliseconds)
    }

    private func poll(_ milliseconds: Int32) throws(KernelError) -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let result = Glibc.poll(&polled, 1, milliseconds)
        if result < 0, errno != EINTR { throw KernelError("wait for samples") }
        return end != position
    }

    /// Reads samples that are there, each once, in the order in which they came.
    /// - Parameter limit: at most so many.
    /// - Returns: how many were read.
    @discardableResult
    public func read(limit: Int = Int.max, _ body: (Sample) throws -> Void) rethrows -> Int {
        var (count, left) = (0, limit)
        // What is no sample counts too: from a position that a bad reader left it may go on for ever.
        while left > 0, let record = next() {
            // Whatever `body` does with it, the sample is read.
            defer { position = record.end }
            left -= 1
            guard !record.isDiscarded else { continue }
            guard let sample = Sample(record.bytes) else {
                malformed &+= 1
                continue
            }
            count += 1
            try body(sample)
        }
        if count > 0 { isTail = true }
        return count
    }

    private struct Record {
        var bytes: UnsafeRawBufferPointer
        var isDiscarded: Bool
        /// The position behind it.
        var end: UInt64
    }

    /// BPF_RINGBUF_HDR_SZ, BPF_RINGBUF_BUSY_BIT and BPF_RINGBUF_DISCARD_BIT of linux/bpf.h.
    private static let headBytes = 8
    private static let busy: UInt32 = 1 << 31
    private static let discarded: UInt32 = 1 << 30

    /// The record at the position; nil where there is none, or the kernel still writes it.
    private func next() -> Record? {
        let at = position
        let waiting = end &- at
        guard waiting >= UInt64(Self.headBytes) else { return nil }
        let head = producerPage + page + Int(at & UInt64(size - 1))
        let word = head.assumingMemoryBound(to: Atomic<UInt32>.self).pointee.load(ordering: .acquiring)
        guard word & Self.busy == 0 else { return nil }
        let length = Int(word & ~(Self.busy | Self.discarded))
        let whole = (length + Self.headBytes + 7) & ~7
        // The kernel's records end where it says that it has written, or before.
        guard waiting <= UInt64(size), whole <= Int(waiting) else {
            malformed &+= 1
            skipAll()
            return nil
        }
        return Record(
            bytes: UnsafeRawBufferPointer(start: head + Self.headBytes, count: length),
            isDiscarded: word & Self.discarded != 0, end: at &+ UInt64(whole))
    }
}

extension Sample {
    /// Nil where the record does not hold what it says.
    init?(_ record: UnsafeRawBufferPointer) {
        let headBytes = MemoryLayout<guard_sample>.size
        guard record.count >= headBytes else { return nil }
        let head = record.loadUnaligned(as: guard_sample.self)
        guard Int(head.captured_length) <= record.count - headBytes else { return nil }
        nanoseconds = head.time_ns
        flow = head.flow
        inspectorsSeed = head.inspectors_seed
        inspector = Int(head.inspector)
        ruleSlot = head.slot
        interfaceIndex = head.ifindex
        isSent = UInt32(head.flags) & GUARD_SAMPLE_SENT.rawValue != 0
        isDropped = UInt32(head.flags) & GUARD_SAMPLE_DROPPED.rawValue != 0
        frameLength = Int(head.frame_length)
        networkOffset = Int(head.network)
        bytes = UnsafeRawBufferPointer(rebasing: record[headBytes..<headBytes + Int(head.captured_length)])
    }
}
