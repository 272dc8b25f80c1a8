// SPDX-License-Identifier: Apache-2.0
// What the worker does from its sandbox on: take samples, send findings at once and events in bundles, say
// every second that it lives, end when asked to or left alone.
import Glibc

/// Runs until the controller says stop or is gone.
public func runWorker(_ inspector: inout some SampleInspector, _ channel: inout WorkerChannel) {
    var loop = WorkerLoop(next: monotonicNanoseconds())
    while !channel.isClosed {
        loop.turn(&inspector, &channel)
        if loop.isOver { break }
    }
    loop.finish(&inspector, &channel)
}

private struct WorkerLoop {
    /// When the next heartbeat is due; CLOCK_MONOTONIC.
    var next: UInt64
    var isOver = false
    private var report = SampleReport()
    /// More samples wait than were taken.
    private var isBusy = true
    /// Some were taken: the kernel does not announce those that come within 200 us of the last it announced.
    private var isTail = false

    private static let beat: UInt64 = 1_000_000_000
    /// A finding waits for so many further samples at most: a fraction of a millisecond.
    private static let batch = 16

    init(next: UInt64) { self.next = next }

    mutating func turn(_ inspector: inout some SampleInspector, _ channel: inout WorkerChannel) {
        var polled = [
            pollfd(fd: WorkerProgram.socket, events: Int16(POLLIN), revents: 0),
            pollfd(fd: inspector.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        poll(&polled, 2, isBusy ? 0 : isTail ? 1 : wait())
        if polled[0].revents != 0 {
            switch channel.nextOrder() {
            case .stop:
                isOver = true
                return
            case .reload: reload(&inspector, &channel)
            case nil: break
            }
        }
        if isBusy || isTail || polled[1].revents != 0 {
            let count = inspector.inspect(atMost: Self.batch, into: &report)
            (isBusy, isTail) = (count >= Self.batch, count > 0)
            deliver(&channel)
            if !isBusy { channel.flush() }
        }
        let now = monotonicNanoseconds()
        if now >= next { beat(now, &inspector, &channel) }
    }

    /// Samples wait in the ring meanwhile.
    private mutating func reload(_ inspector: inout some SampleInspector, _ channel: inout WorkerChannel) {
        channel.send(.reloading)
        do throws(ReloadError) {
            channel.send(.reloaded(try inspector.reload()))
        } catch {
            channel.send(.notReloaded(error.description))
        }
        isBusy = true
    }

    private func wait() -> Int32 {
        let now = monotonicNanoseconds()
        return next > now ? Int32(clamping: (next - now) / 1_000_000 + 1) : 0
    }

    private mutating func deliver(_ channel: inout WorkerChannel) {
        for finding in report.findings { channel.send(.finding(finding)) }
        channel.add(lines: report.lines)
        report.removeAll()
    }

    private mutating func beat(
        _ now: UInt64, _ inspector: inout some SampleInspector, _ channel: inout WorkerChannel
    ) {
        next = now &+ Self.beat
        inspector.advance(into: &report)
        deliver(&channel)
        channel.flush()
        channel.send(.heartbeat(channel.counters(beside: inspector.counters)))
    }

    mutating func finish(_ inspector: inout some SampleInspector, _ channel: inout WorkerChannel) {
        inspector.finish(into: &report)
        deliver(&channel)
        channel.flush()
        channel.send(.heartbeat(channel.counters(beside: inspector.counters)))
    }
}

extension WorkerChannel {
    func counters(beside counters: WorkerCounters) -> WorkerCounters {
        var counters = counters
        counters.findings = findings
        counters.events = events
        counters.eventsLost = eventsLost
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        counters.memoryBytes = UInt64(clamping: usage.ru_maxrss) &* 1024
        return counters
    }
}

/// CLOCK_MONOTONIC.
public func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}
