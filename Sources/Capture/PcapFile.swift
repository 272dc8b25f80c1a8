// SPDX-License-Identifier: Apache-2.0
// Classic pcap files, by libpcap. In: an open file. Out: raw packets, their time in nanoseconds.

import CPcap
import Glibc

/// A pcap file that libpcap reads and closes.
final class PcapFile {
    private let input: BufferedFile
    private let handle: OpaquePointer
    private let linkType: Int32

    init(_ input: BufferedFile) throws(BrokenCapture) {
        var text = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE) + 1)
        let precision = UInt32(PCAP_TSTAMP_PRECISION_NANO)
        guard let handle = pcap_fopen_offline_with_tstamp_precision(input.file, precision, &text) else {
            throw BrokenCapture(text: Self.string(text))
        }
        input.isClosedByReader = true
        self.input = input
        self.handle = handle
        linkType = pcap_datalink(handle)
    }

    deinit { pcap_close(handle) }

    /// The next packet; nil at the file's end. Its bytes are valid until the next call.
    func next() throws(BrokenCapture) -> RawPacket? {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var bytes: UnsafePointer<UInt8>?
        switch pcap_next_ex(handle, &header, &bytes) {
        case 1: break
        case PCAP_ERROR_BREAK: return nil
        default: throw BrokenCapture(text: String(cString: pcap_geterr(handle)))
        }
        guard let header, let bytes else { return nil }
        // The file's field is unsigned, libpcap's is not: without this, 2038 would follow 1901.
        let seconds = Int64(UInt32(truncatingIfNeeded: header.pointee.ts.tv_sec))
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        // With nanosecond precision libpcap leaves nanoseconds in tv_usec.
        let time =
            overflow
            ? Int64.max : whole.addingReportingOverflow(Int64(header.pointee.ts.tv_usec)).partialValue
        return RawPacket(
            data: UnsafeRawBufferPointer(start: bytes, count: Int(header.pointee.caplen)),
            originalLength: Int(header.pointee.len), timeNanoseconds: time, interface: nil, linkType: linkType
        )
    }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
