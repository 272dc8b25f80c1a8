// SPDX-License-Identifier: Apache-2.0
// `flows`: the connections that the running policy follows, in the order that was asked for.
import Dataplane

/// What `flows` shows.
public struct FlowReport: Sendable {
    public var tables: FlowTables
    /// The chosen ones of the tables' flows, in order.
    public var flows: [Flow]
}

/// Reads the tables of connections.
/// - Parameter top: only so many, those with the most bytes first; nil: all, by their ends.
public func flows(top: Int?) throws -> FlowReport {
    let (_, state) = try openInstance(for: "flows")
    guard let tables = try state.flows(now: programClock()) else {
        throw ServiceError(
            .unavailable,
            "the running policy follows no connections: it has stateful: false, or drops nothing that "
                + "could be a reply, and no rule with 'state'")
    }
    guard let top else { return FlowReport(tables: tables, flows: tables.flows.sorted(by: byEnds)) }
    let busiest = tables.flows.sorted { ($0.bytes, $1.age) > ($1.bytes, $0.age) }
    return FlowReport(tables: tables, flows: Array(busiest.prefix(top)))
}

private func byEnds(_ one: Flow, _ other: Flow) -> Bool {
    if one.proto.rawValue != other.proto.rawValue { return one.proto.rawValue < other.proto.rawValue }
    if one.local != other.local { return one.local < other.local }
    if one.localPort != other.localPort { return one.localPort < other.localPort }
    if one.remote != other.remote { return one.remote < other.remote }
    return one.remotePort < other.remotePort
}
