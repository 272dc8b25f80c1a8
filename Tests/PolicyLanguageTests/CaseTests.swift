// SPDX-License-Identifier: Apache-2.0
// cases/bad/x.conf must say exactly what stands in x.stderr; cases/good/x.conf likewise, and is a policy.
import Glibc
import PolicyLanguage
import Testing

private let folder = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/cases/"

/// The files of one folder of cases, so that messages show paths relative to it.
private struct CaseFiles: FileReader {
    let kind: String

    func read(_ path: String) throws(FileReadError) -> [UInt8] {
        do throws(FileReadError) {
            return try DiskReader().read(folder + kind + "/" + path)
        } catch {
            throw FileReadError(errno: error.errno, path: path)
        }
    }

    func text(_ path: String) -> String {
        (try? read(path)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// The names of the cases.
    static func all(_ kind: String) -> [String] {
        guard let handle = opendir(folder + kind) else { return [] }
        defer { closedir(handle) }
        var names: [String] = []
        while let entry = readdir(handle) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".conf") { names.append(String(name.dropLast(5))) }
        }
        return names.sorted()
    }
}

@Suite struct CaseTests {
    @Test(arguments: CaseFiles.all("bad"))
    func `a bad policy is refused with these words`(_ name: String) {
        let files = CaseFiles(kind: "bad")
        let report = loadPolicy(path: name + ".conf", reader: files, now: testDay)
        #expect(report.policy == nil)
        #expect(report.exitCode == (name == "missing-file" ? 66 : 65))
        #expect(report.rendered(limit: 1000) == files.text(name + ".stderr"))
    }

    @Test(arguments: CaseFiles.all("good"))
    func `a good policy is taken with no more than these words`(_ name: String) {
        let files = CaseFiles(kind: "good")
        let report = loadPolicy(path: name + ".conf", reader: files, now: testDay)
        #expect(report.policy != nil)
        #expect(report.exitCode == 0)
        #expect(report.rendered(limit: 1000) == files.text(name + ".stderr"))
    }

    @Test func `the cases are found`() {
        #expect(CaseFiles.all("bad").count >= 20)
        #expect(CaseFiles.all("good").count >= 4)
    }
}
