// SPDX-License-Identifier: Apache-2.0
// What others read in captures, beside the captures. In: the files of arkime, FoxIO's JA4 tools, nDPI and
// Zeek. Out: facts of one form, to be looked for among what the parsers here read.
import Foundation
import TestSupport

/// A fact about a capture: `ja4 t13d…`, `sni www.example.org`, `http GET /`.
struct Fact: Hashable, CustomStringConvertible {
    let capture: String
    let text: String
    var description: String { "\(capture): \(text)" }

    init(_ capture: String, _ text: String) {
        self.capture = capture
        self.text = text
    }
}

/// The facts in a folder's answers, by who wrote them.
enum KnownAnswers {
    /// The captures of a folder with the answer files beside each.
    static func files(_ place: String, ending: String) -> [(capture: String, path: String)] {
        guard let folder = SharedData.folder else { return [] }
        return SharedData.files(in: place).filter { $0.contains(ending) }.compactMap { name in
            let ends = [".pcapng.", ".pcap."].compactMap { name.range(of: $0)?.upperBound }
            guard let end = ends.min() else { return nil }
            return ("\(folder)/\(place)/\(name[..<end].dropLast())", "\(folder)/\(place)/\(name)")
        }
    }

    private static func json(_ path: String) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(try SharedData.bytes(path)))
    }

    private static func lines(_ path: String) throws -> [String] {
        String(decoding: try SharedData.bytes(path), as: UTF8.self).split(separator: "\n").map { String($0) }
    }

    /// FoxIO's Python tool: `domain`, `JA4.1`, `JA4.2`.
    static func foxPython(_ file: (capture: String, path: String)) throws -> [Fact] {
        let streams = try json(file.path) as? [[String: Any]] ?? []
        return streams.flatMap { stream -> [Fact] in
            guard let fingerprint = stream["JA4.1"] as? String else { return [] }
            let name = (stream["domain"] as? String).map { [Fact(file.capture, "sni \($0)")] } ?? []
            return [Fact(file.capture, "ja4 \(fingerprint)")] + name
        }
    }

    /// FoxIO's Rust tool: `ja4:` and `tls_server_name:` lines.
    static func foxRust(_ file: (capture: String, path: String)) throws -> [Fact] {
        try lines(file.path).compactMap { line in
            let parts = line.trimmingCharacters(in: .whitespaces).components(separatedBy: ": ")
            guard parts.count == 2 else { return nil }
            if parts[0] == "ja4" { return Fact(file.capture, "ja4 \(parts[1])") }
            return parts[0] == "tls_server_name" ? Fact(file.capture, "sni \(parts[1])") : nil
        }
    }

    /// nDPI's flow lines: `[Hostname/SNI: x]`, `[JA3C: x]`, `[JA4: x]`, for TLS and QUIC.
    static func nDPI(_ file: (capture: String, path: String)) throws -> [Fact] {
        try lines(file.path).flatMap { line -> [Fact] in
            guard line.contains("[JA4: ") || line.contains("[JA3C: "), !line.contains("DTLS") else {
                return []
            }
            let marks = [("[Hostname/SNI: ", "sni"), ("[JA3C: ", "ja3"), ("[JA4: ", "ja4")]
            return marks.compactMap { mark, kind in
                guard let start = line.range(of: mark)?.upperBound else { return nil }
                return Fact(file.capture, "\(kind) \(line[start...].prefix { $0 != "]" })")
            }
        }
    }

    /// arkime's sessions: lists of each protocol's fields.
    static func arkime(_ file: (capture: String, path: String)) throws -> [Fact] {
        let root = try json(file.path) as? [String: Any]
        let sessions = root?["sessions3"] as? [[String: Any]] ?? []
        return sessions.flatMap { session -> [Fact] in
            guard let body = session["body"] as? [String: Any] else { return [] }
            return facts(file.capture, body)
        }
    }

    private static func facts(_ capture: String, _ body: [String: Any]) -> [Fact] {
        func list(_ part: String, _ name: String) -> [String] {
            let values = (body[part] as? [String: Any])?[name] as? [Any] ?? []
            return values.map { "\($0)" }
        }
        var texts = ["ja3", "ja3s", "ja4"].flatMap { kind in
            list("tls", kind).filter { !$0.hasPrefix("d") || kind != "ja4" }.map { "\(kind) \($0)" }
        }
        texts += list("http", "method").map { "method \($0)" }
        texts += list("http", "statuscode").map { "status \($0)" }
        texts += list("http", "useragent").map { "agent \($0)" }
        texts += list("http", "path").map { "path \($0)" }
        texts += list("ssh", "version").map { "ssh \($0)" }
        texts += list("ssh", "hassh").map { "hassh \($0)" }
        texts += list("ssh", "hasshServer").map { "hassh \($0)" }
        for query in body["dns"] as? [[String: Any]] ?? [] {
            if let name = query["queryHost"] as? String {
                texts.append("query \(name == "<root>" ? "" : name.lowercased())")
            }
            for answer in query["answers"] as? [[String: Any]] ?? [] {
                if let address = answer["ip"] as? String { texts.append("answer \(address)") }
                if let name = answer["mx"] as? String { texts.append("answer \(name)") }
                if let name = answer["cname"] as? String { texts.append("answer \(name)") }
                if let name = answer["nameserver"] as? String { texts.append("answer \(name)") }
            }
        }
        return texts.map { Fact(capture, $0) }
    }

    /// Zeek's logs: the columns that `#fields` or the first line name.
    static func zeek(
        _ file: (capture: String, path: String), _ fact: ([String: String]) -> [String]
    ) throws -> [Fact] {
        var columns: [String] = []
        var facts: [Fact] = []
        for line in try lines(file.path) {
            let cells = line.components(separatedBy: "\t")
            if cells[0] == "#fields" { columns = Array(cells.dropFirst()) }
            if line.hasPrefix("#") { continue }
            guard !columns.isEmpty else {
                columns = cells
                continue
            }
            let row = Dictionary(zip(columns, cells)) { first, _ in first }
            facts += fact(row.filter { $0.value != "-" }).map { Fact(file.capture, $0) }
        }
        return facts
    }
}
