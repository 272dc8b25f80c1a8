// SPDX-License-Identifier: Apache-2.0
// What the inspector keeps of one flow beside what the flow tracker counts: whose it is, what was
// recognised, what signatures remember, and what came to light.
import NetworkTypes
import ProtocolDetection
import Protocols
import SignatureMatching
import Signatures

/// One sampled flow. Small: most flows are short, and an attacker opens many.
final class InspectedFlow {
    /// The inspector that its first sampled packet was for, and those that others were for.
    var seat: FlowSeat
    var others: [FlowSeat] = []
    /// Any of them has signatures.
    var hasSignatures: Bool
    /// Nil once it is final, or where the detector had no room.
    var detection: FlowDetection?
    /// The final answer.
    var detected: DetectedProtocol?
    /// The streams' first bytes for a second detection, where the policy says which protocols may be spoken.
    let gathered: GatheredStart?
    /// The signatures' word for what the detector named, where no parser here reads it; until then, and where
    /// it names nothing, for what the client's first command says.
    var named: Signatures.ApplicationProtocol? { detectedName ?? openedName }
    var detectedName: Signatures.ApplicationProtocol?
    var openedName: Signatures.ApplicationProtocol?
    /// The name by which its streams were searched last.
    var searchedName: Signatures.ApplicationProtocol?
    /// Which directions had payload so far.
    var speaks = BothWays(false, false)
    /// What recognises and reads the application protocol; nil before the first payload, and where none is.
    var reader: ProtocolReader?
    /// The newest bytes of each direction's stream, that what stands across two packets is found.
    var tails = BothWays<[UInt8]>([], [])
    /// What waits for the next packet of its direction, where the inspector only watches.
    var waiting: WaitingUnits?
    /// The address of this host, once a packet said which it is.
    var hostSends: FlowDirection?
    /// Of a flow in a tunnel that the policy does not open: around the packets to the server.
    var carrier: Carrier?
    /// The number of its latest packet, as samples have it.
    var latestPacket: UInt64 = 0
    /// What a finding drops it for; nil unless one does.
    var drop: FlowDrop?
    /// A `pass` signature let the whole flow through.
    var isPassed = false
    /// An alert was written.
    var isAlerted = false
    /// Transactions that were told of so far, and events of them.
    var transactions = TransactionTable()
    /// Events of protocols and anomalies so far.
    var events = 0

    init(_ seat: FlowSeat, detection: FlowDetection?, gathered: GatheredStart? = nil) {
        self.seat = seat
        self.detection = detection
        self.gathered = gathered
        hasSignatures = seat.matchState != nil
    }

    /// Events of protocols and anomalies of one flow; more are counted and not written.
    static let mostEvents = 4096
}

/// By reference: most flows have none, and to ask costs nothing then.
final class WaitingUnits {
    var units = BothWays(PendingUnit(), PendingUnit())
}

/// One value for each direction.
struct BothWays<Value> {
    var toServer: Value
    var toClient: Value

    init(_ toServer: Value, _ toClient: Value) {
        self.toServer = toServer
        self.toClient = toClient
    }

    /// `get`, and not `_read`: a coroutine with two yields is not inlined, and asks for memory.
    subscript(direction: FlowDirection) -> Value {
        @inline(__always) get { direction == .toServer ? toServer : toClient }
        _modify { if direction == .toServer { yield &toServer } else { yield &toClient } }
    }
}
