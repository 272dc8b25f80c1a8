// SPDX-License-Identifier: Apache-2.0
// The instance of this network namespace, for commands that ask or change what runs.
import Dataplane

/// Opens what runs here.
/// - Parameter command: as the user writes it, for messages.
/// - Throws: `ServiceError` without privileges, and where nothing runs that could be reached.
func openInstance(for command: String) throws -> (datapath: Datapath, state: SharedState) {
    try requirePrivileges(for: command)
    let datapath = try Datapath()
    guard let state = try SharedState.open(datapath.pins) else {
        try requireNoStrangers(datapath)
        throw nothingRuns(command)
    }
    return (datapath, state)
}

func nothingRuns(_ command: String) -> ServiceError {
    ServiceError(.unavailable, "no policy runs here: apply one first, then \(command)")
}

/// The description of the generation that runs; nil where nothing is attached.
func runningInfo(_ datapath: Datapath) throws -> GenerationInfo? {
    guard try !datapath.attachments().isEmpty else { return nil }
    return try datapath.description().flatMap(GenerationInfo.decoded)
}

/// Throws where an interface has a program of xdpguard that cannot be reached from here.
func requireNoStrangers(_ datapath: Datapath) throws {
    let names = try datapath.strangers()
    guard !names.isEmpty else { return }
    if let folder = datapath.pins.ofOtherVersion {
        throw ServiceError(
            .unavailable,
            "xdpguard's program on \(names.joined(separator: ", ")) is of another version, whose pins are in "
                + "\(folder): run this with that version")
    }
    throw ServiceError(
        .unavailable,
        "xdpguard's program on \(names.joined(separator: ", ")) is not pinned here: "
            + "it was applied where another bpffs is mounted (as 'ip netns exec' does); "
            + "run this there, or with 'nsenter --net='"
    )
}
