// SPDX-License-Identifier: Apache-2.0
// `limits`, `limits top`, `limits show`: reads the running policy's limits. Nothing is written.
import Dataplane
import GuardABI
import NetworkTypes

/// The instance whose limits are asked about.
public struct LimitService {
    private let datapath: Datapath
    private let state: SharedState
    private let buckets: BucketTable?
    private let reading: LimitReading

    /// Lines of the bucket table that are looked at for its fill: within two percent, in a few milliseconds.
    static let sampledLines: UInt32 = 4096

    public init(for command: String) throws {
        (datapath, state) = try openInstance(for: command)
        guard let info = try runningInfo(datapath) else { throw nothingRuns(command) }
        let buckets = try state.buckets()
        self.buckets = buckets
        // The clock last: what the program noted meanwhile is not in the future.
        let clients = try state.limitedClients()
        let now = programClock()
        reading = LimitReading(
            info: info, now: now, wall: Int64(clamping: now) &+ wallClockOffset(), clients: clients,
            time: { try buckets?.time(of: $0) })
    }

    public func report() throws -> LimitReport {
        LimitReport(
            policy: reading.info.header.policy, mode: reading.info.header.mode,
            rows: try reading.limits.map { limit in
                .init(
                    limit: limit, count: try state.limitCount(slot: limit.slot),
                    clients: reading.clientCount(of: limit))
            },
            buckets: try state.bucketFill(now: reading.now))
    }

    /// Clients that are limited now, most dropped packets first.
    /// - Parameter count: at most so many.
    public func top(count: Int) throws -> (clients: [LimitedRow], total: Int) {
        let rows = try reading.rows()
        return (Array(rows.prefix(count)), rows.count)
    }

    public func show(_ address: IPAddress) throws -> AddressReport {
        let bans = try BanService(for: "limits show").list()
        return try reading.report(on: address, bans: bans) { limit, prefix in
            buckets?.tag(limitSeed: limit.seed, words: bucketWords(prefix)) ?? 0
        }
    }
}

extension SharedState {
    /// - Parameter now: the program's clock in nanoseconds.
    func bucketFill(now: UInt64) throws -> BucketFill? {
        try buckets()?.fill(
            sampling: LimitService.sampledLines, now: now << UInt64(GUARD_BUCKET_TIME_SHIFT))
    }
}
