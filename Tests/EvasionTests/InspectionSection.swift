// SPDX-License-Identifier: Apache-2.0
// The last section of docs/evasion.md: requests that try to pass the inspector. In: the tables of
// Tests/Support/Evasion, which InspectionTests runs. Out: lines of Markdown.
import TestSupport

func inspectionSection() -> [String] {
    let plain = TransportEvasion.all.filter { $0.anomaly == nil }
    let twofold = TransportEvasion.all.filter { $0.anomaly != nil }
    let text = """

        # Requests that try to walk past the inspector

        \(TransportEvasion.all.count) ways to send one request and \(MessageEvasion.all.count) ways to write
        it or its answer, in IPv4 and IPv6, each with several seeds, in segments of 1, 3, 17 and 1460 bytes,
        and by chance both at once.

            scripts/test EvasionSuiteTests

        Seven signatures must find them: a `content`, `http.uri` for a path and for a query, a `pcre` with
        `U`, the old `http_header`, and `file.data` of requests and of responses.

        ## Beneath HTTP

        Found by all whose text the plain request or its answer has: \(names(plain)).

        Where expiry before the host, or another overlap, makes two readings possible, the first data wins,
        and the anomaly event `stream.reassembly_overlap_different_data` says that there are two; `content`
        finds the request in the packet itself. The event is for a log's reader: signatures with
        `stream-event` are not supported. On the host that it protects, a packet that comes in has not
        expired: what is followed is what the host has. Such are: \(names(twofold)).

        The byte that an urgent pointer marks stays in the stream, as Linux has it with `SO_OOBINLINE`; the
        anomaly `stream.urgent_data` says that a host without it reads one byte less.

        ## In HTTP

        Found: \(names(MessageEvasion.all)).

        A path and a query that are encoded more than once are looked at in two forms each: decoded once, as
        most servers do, and decoded up to \(timesDecoded) times. `%u0041` in a query is of the second form. A
        `+` stays a `+`, and an escape that is none stays as it is: signatures are written for that. What
        was sent is in `http.uri.raw`.

        Bodies are unpacked of gzip, each member of it, and deflate, and of no more than two codings, one
        within the other; of three the anomaly event `http.too_many_encoding_layers` tells. Brotli, Zstandard
        and LZMA are looked at as sent.
        """
    return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
}

/// Once by libhtp, and three times more.
private let timesDecoded = 4

private func names(_ evasions: [some CustomStringConvertible]) -> String {
    evasions.map(\.description).joined(separator: "; ")
}
