// SPDX-License-Identifier: Apache-2.0
// What became of samples and of dropped flows' packets, for `status`. In: counters. Out: lines, JSON.
import Dataplane
import JSONOutput
import Service

extension SampleCounts {
    var lines: [String] {
        var lines = [
            "samples: \(received) packets that came in, \(sent) replies, \(bytes) bytes, of \(flows) flows"
        ]
        let others = [
            ("beyond their flow's budget", beyondBudget), ("of flows that 'every' leaves out", notChosen),
            ("that no signature's header could match", notNeeded),
        ]
        let spared = others.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
        if !spared.isEmpty { lines.append("not sampled: " + spared.joined(separator: ", ")) }
        let causes = [
            ("as the ring was full", lostFull), ("as the frame could not be read", lostCopy),
            ("as nobody inspected", lostUnread), ("as their flow found no place", lostPlace),
            ("cut to 9216 bytes or a reply's 65536", cut), ("flows forgotten before their end", forgotten),
        ]
        let lost = causes.filter { $0.1 > 0 }.map { "\($0.1) \($0.0)" }
        if !lost.isEmpty { lines.append("samples lost: " + lost.joined(separator: ", ")) }
        if overloaded > 0 {
            lines.append("on-overload: \(overloaded) packets dropped, as they could not be inspected")
        }
        if droppedReceived > 0 || droppedSent > 0 {
            lines.append(
                "dropped flows: \(droppedReceived) packets that came in, \(droppedSent) of this host's")
        }
        return lines
    }

    var json: JSONValue {
        .object([
            ("received", .unsigned(received)), ("sent", .unsigned(sent)), ("bytes", .unsigned(bytes)),
            ("lost_full", .unsigned(lostFull)), ("lost_copy", .unsigned(lostCopy)),
            ("lost_unread", .unsigned(lostUnread)), ("lost_place", .unsigned(lostPlace)),
            ("overload_dropped", .unsigned(overloaded)), ("cut", .unsigned(cut)),
            ("beyond_budget", .unsigned(beyondBudget)), ("not_chosen", .unsigned(notChosen)),
            ("not_needed", .unsigned(notNeeded)),
            ("flows", .unsigned(flows)), ("forgotten", .unsigned(forgotten)),
            ("dropped_received", .unsigned(droppedReceived)), ("dropped_sent", .unsigned(droppedSent)),
        ])
    }
}

// What header conditions saved each inspector.
extension StatusReport {
    var unneededLines: [String] {
        unneeded.filter { $0.saved.packets > 0 }.map {
            "inspector '\($0.inspector)': \($0.saved.packets) packets of \($0.saved.bytes) bytes "
                + "not sampled, as no signature's header could match"
        }
    }

    var unneededJSON: JSONValue {
        .array(
            unneeded.map {
                .object([
                    ("inspector", .string($0.inspector)), ("packets", .unsigned($0.saved.packets)),
                    ("bytes", .unsigned($0.saved.bytes)),
                ])
            })
    }
}
