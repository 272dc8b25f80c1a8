// SPDX-License-Identifier: Apache-2.0
// Whole connections for an inspector on a bench. In: what both sides say. Out: frames of segments as a wire
// carries them.
import NetworkTypes

/// What the two sides of a connection say, the client first.
struct Talk {
    var serverPort: UInt16
    var client: [UInt8]
    var server: [UInt8] = []
}

extension Bench {
    /// Each talk from a port of its own.
    func feed(_ talks: [Talk]) {
        for talk in talks {
            var frames = Conversation(serverPort: talk.serverPort, clientPort: 40_000 + talk.serverPort)
            feed(frames.open())
            for (way, bytes) in [(FlowDirection.toServer, talk.client), (.toClient, talk.server)] {
                for start in stride(from: 0, to: bytes.count, by: 1400) {
                    feed(frames.say(way, bytes[start..<min(bytes.count, start + 1400)]))
                }
            }
        }
    }
}
