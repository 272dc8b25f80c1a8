// SPDX-License-Identifier: Apache-2.0
// Every packet of the captures beside the checkout: the reader's and the decoder's fields against those that
// tshark read. Where they differ, a class of HeaderDifference.swift says why.
import Capture
import NetworkTypes
import Testing

struct HeaderOracleTests {
    @Test(.enabled(if: Oracle.folder != nil, "no ../shared/data beside the checkout"))
    func `every header field of every packet is as tshark reads it, but for the listed reasons`() throws {
        let oracle = try #require(Oracle())
        var explained = [Int](repeating: 0, count: DifferenceClass.all.count)
        var unexplained: [HeaderDifference] = []
        var capture = OracleCapture("")
        var packets = 0
        while let row = oracle.next() {
            if row.path != capture.path { capture = OracleCapture(row.path) }
            packets += 1
            var classes: Set<Int> = []
            for difference in Self.differences(row, capture.frame(row.number), capture.error) {
                if let index = DifferenceClass.all.firstIndex(where: { $0.explains(difference) }) {
                    classes.insert(index)
                } else {
                    unexplained.append(difference)
                }
            }
            for index in classes { explained[index] += 1 }
        }
        #expect(packets == 125_550)
        #expect(unexplained.isEmpty, "\(unexplained.count) fields, as \(unexplained.prefix(10))")
        for (index, reason) in DifferenceClass.all.enumerated() {
            #expect(explained[index] == reason.packets, "packets with '\(reason.name)'")
        }
    }

    /// The fields that we read otherwise than tshark. Tags with id 0 are none here.
    private static func differences(
        _ row: OracleRow, _ frame: CapturedFrame?, _ error: CaptureError?
    ) -> [HeaderDifference] {
        let packet = frame.flatMap { PacketDecoder().describe($0.bytes) }
        let isEthernet = row.protocols.first == "eth"
        let ours = frame.map { headerFields($0, packet, isEthernet: isEthernet) } ?? [:]
        guard ours != row.fields else { return [] }
        return HeaderField.allCases.filter { ours[$0] != row.fields[$0] }.map {
            HeaderDifference(
                row: row, field: $0, value: ours[$0], frame: frame, error: error, packet: packet)
        }
    }
}
