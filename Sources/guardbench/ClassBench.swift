// SPDX-License-Identifier: Apache-2.0
// ClassBench sets for scripts: `policy` prints a set as a policy, `frames` writes a capture of its trace.
import Glibc
import NetworkTypes
import TestSupport

let classBenchUsage = """
    expected 'classbench policy NAME.rules' or \
    'classbench frames NAME.headers [--count N] --write FILE.pcap'
    """

/// - Parameter words: behind `classbench`.
func runClassBench(_ words: [String]) throws {
    switch (words.first, words.count) {
    case ("policy", 2):
        let set = try ClassBenchSet(path: words[1])
        print(ClassBenchTranslation(set.rules).policy(set.rules, named: set.name), terminator: "")
    case ("frames", 4...): try writeFrames(of: words[1], options: Array(words[2...]))
    default: fail(classBenchUsage, 64)
    }
}

private func writeFrames(of path: String, options: [String]) throws {
    var (output, count): (String?, Int?) = (nil, nil)
    var rest = options[...]
    while let option = rest.popFirst(), let value = rest.popFirst() {
        switch option {
        case "--write": output = value
        case "--count":
            count = Int(value)
            if count ?? 0 < 1 { fail("'\(value)' is no number of frames", 64) }
        default: fail("unknown option '\(option)'; " + classBenchUsage, 64)
        }
    }
    guard rest.isEmpty, let output else { fail(classBenchUsage, 64) }
    let set = try ClassBenchSet(path: path)
    let translation = ClassBenchTranslation(set.rules)
    let headers = try set.headers()
    // A count above the trace's repeats it; one below takes headers from all of it.
    let wanted = count ?? headers.count
    let frames = (0..<wanted).map { number in
        let place = wanted < headers.count ? number * headers.count / wanted : number % headers.count
        return translation.frame(headers[place])
    }
    writeCapture(frames, to: output)
}

/// A pcap file of Ethernet frames, all at the beginning of time.
private func writeCapture(_ frames: [[UInt8]], to path: String) {
    var bytes: [UInt8] = []
    // Magic number, version 2.4, zone, accuracy, longest frame, Ethernet.
    for word: UInt32 in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 1] { bytes.append(word) }
    for frame in frames {
        for word in [0, 0, UInt32(frame.count), UInt32(frame.count)] { bytes.append(word) }
        bytes += frame
    }
    guard let file = fopen(path, "w") else { fail("\(path): \(String(cString: strerror(errno)))", 66) }
    let isWritten = fwrite(bytes, 1, bytes.count, file) == bytes.count
    guard fclose(file) == 0, isWritten else { fail("\(path): \(String(cString: strerror(errno)))", 70) }
}

extension [UInt8] {
    /// In the host's order, which the magic number tells.
    fileprivate mutating func append(_ word: UInt32) {
        Swift.withUnsafeBytes(of: word) { append(contentsOf: $0) }
    }
}
