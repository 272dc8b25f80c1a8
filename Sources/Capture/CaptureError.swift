// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a capture, and its wording.

import Glibc

/// Why a capture cannot be opened or read on. Frames that came before the error are good.
public enum CaptureError: Error, Hashable, Sendable {
    /// The file cannot be opened or read at all; `errno` says why.
    case missing(path: String, errno: Int32)
    /// Its frames have a link layer that is not read; `name` is libpcap's, as in "IEEE802_11".
    case unsupportedLinkType(path: String, packet: Int, name: String)
    /// Bytes that are no capture. `packet` is the number of the packet that could not be read, from 1, or 0
    /// where it is the file's own header; `text` says why.
    case broken(path: String, packet: Int, text: String)

    /// sysexits.h: 66 where there is no input, 65 where it is wrong.
    public var exitCode: Int32 {
        if case .missing = self { return 66 }
        return 65
    }

    /// "path: what is wrong", lower case, no full stop.
    public var message: String {
        switch self {
        case .missing(let path, let number):
            return "\(Self.shown(path)): cannot be read: \(String(cString: strerror(number)))"
        case .unsupportedLinkType(let path, let packet, let name):
            return "\(Self.shown(path)): packet \(packet): link type '\(name)' is not supported"
        case .broken(let path, let packet, let text):
            return "\(Self.shown(path)): \(packet == 0 ? "" : "packet \(packet): ")\(text)"
        }
    }

    /// A way out; nil where there is nothing to say.
    public var help: String? {
        switch self {
        case .missing: nil
        case .unsupportedLinkType: "use a capture of Ethernet, raw IP, Linux cooked, PPP or loopback frames"
        case .broken(_, let packet, _):
            packet <= 1
                ? "use a pcap or pcapng file"
                : "the packets before it were read; capture again, or cut the file"
        }
    }

    private static func shown(_ path: String) -> String { path == "-" ? "standard input" : path }
}
