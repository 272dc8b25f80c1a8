// SPDX-License-Identifier: Apache-2.0
// `guardbench classbench`: what scripts get is a policy that loads and a capture whose packets meet the
// rules that the answers name.
import Capture
import Glibc
import PolicyLanguage
import TestSupport
import Testing

@testable import scale

/// A folder with a small set, that goes with the object.
private final class SmallSet {
    let folder: String

    init() throws {
        var template = Array("/tmp/xdpguard-scale.XXXXXX".utf8CString)
        _ = mkdtemp(&template)
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try write(
            "few.rules",
            """
            @192.0.2.0/25\t198.51.100.0/24\t0 : 65535\t80 : 80\t0x06/0xFF\t0x0000/0x0000\t
            @192.0.2.0/24\t0.0.0.0/0\t0 : 65535\t0 : 65535\t0x00/0x00\t0x0000/0x0000\t

            """)
        // 192.0.2.1 > 198.51.100.1 port 80, then 81, then 192.0.3.0 > 198.51.100.1.
        try write(
            "few.headers",
            """
            3221225985\t3325256705\t1024\t80\t6\t0
            3221225985\t3325256705\t1024\t81\t6\t1
            3221226240\t3325256705\t1024\t80\t6\t0

            """)
        try write("few.firstmatch", "0\n1\n-1\n")
    }

    deinit {
        for name in ["few.rules", "few.headers", "few.firstmatch", "few.pcap"] { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    func write(_ name: String, _ text: String) throws {
        let file = try #require(fopen("\(folder)/\(name)", "w"))
        fputs(text, file)
        fclose(file)
    }
}

/// The command that was built beside the test bundle.
private let guardbench: String = {
    let words = CommandLine.arguments
    let named = words.firstIndex(of: "--test-bundle-path").map { words[$0 + 1] } ?? words[0]
    let folder = named.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    return [folder, ".build/debug"].map { $0 + "/guardbench" }.first { access($0, X_OK) == 0 } ?? "guardbench"
}()

private func run(_ words: String...) throws -> (output: String, exit: Int32) {
    let pipe = try #require(popen(([guardbench] + words).joined(separator: " ") + " 2>&1", "re"))
    var output: [UInt8] = []
    while case let byte = fgetc(pipe), byte != EOF { output.append(UInt8(byte)) }
    return (String(decoding: output, as: UTF8.self), pclose(pipe) >> 8)
}

@Suite(.serialized)
struct CommandTests {
    @Test func `the policy and the capture of a set give its answers`() throws {
        let small = try SmallSet()
        let policy = try run("classbench", "policy", "\(small.folder)/few.rules")
        #expect(policy.exit == 0)
        let frames = "\(small.folder)/few.pcap"
        let made = try run("classbench", "frames", "\(small.folder)/few.headers", "--write", frames)
        #expect(made.exit == 0)
        #expect(made.output == "")
        var reader = try CaptureReader(path: frames)
        var questions: [Question] = []
        for rule in ["r0", "r1", nil] {
            let frame = try #require(try reader.next())
            questions.append(Question(frame: Array(frame.bytes), rule: rule, text: "\(frame.number)"))
        }
        #expect(try reader.next() == nil)
        let exam = Exam(policy: policy.output, questions: questions)
        #expect(try Examinee.model.wrongAnswers(exam.load(), exam.questions) == [])
        #expect(try Exam(classBench: "\(small.folder)/few.rules").questions.map(\.rule) == ["r0", "r1", nil])
    }

    @Test(arguments: [(1, 1), (3, 3), (7, 7)])
    func `a count above the trace repeats it, one below takes a part`(count: Int, frames: Int) throws {
        let small = try SmallSet()
        let path = "\(small.folder)/few.pcap"
        let made = try run(
            "classbench", "frames", "\(small.folder)/few.headers", "--count", "\(count)", "--write", path)
        #expect(made.exit == 0)
        var reader = try CaptureReader(path: path)
        var read = 0
        while try reader.next() != nil { read += 1 }
        #expect(read == frames)
    }

    @Test(arguments: [
        (["classbench", "policy", "FOLDER/none.rules"], 66, "FOLDER/none.rules: no such file"),
        (["classbench", "policy"], 64, "expected"),
        (["classbench", "frames", "FOLDER/few.headers"], 64, "expected"),
        (["classbench", "frames", "FOLDER/few.headers", "--count", "0", "--write", "x"], 64, "'0' is no"),
    ])
    func `what it cannot do it says`(words: [String], exit: Int32, message: String) throws {
        let small = try SmallSet()
        let here = words.map { $0.replacing("FOLDER", with: small.folder) }
        let pipe = try run(here.joined(separator: " "))
        #expect(pipe.exit == exit)
        #expect(pipe.output.contains("guardbench: error: "))
        #expect(pipe.output.contains(message.replacing("FOLDER", with: small.folder)))
    }

    @Test func `a wrong line is told by its number`() throws {
        let small = try SmallSet()
        try small.write("few.headers", "3221225985\t3325256705\t1024\t80\t6\t0\n1 2 3\n")
        let made = try run("classbench", "frames", "\(small.folder)/few.headers", "--write", "/dev/null")
        #expect(made.exit == 66)
        #expect(made.output.contains("few.headers:2: expected a packet header, got '1 2 3'"))
    }
}
