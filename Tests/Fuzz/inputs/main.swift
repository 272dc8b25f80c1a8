// SPDX-License-Identifier: Apache-2.0
// Writes what the native fuzz target starts from: a file of compiled policies, and one seed for each capture.
// In: a folder, then the paths of policies (.conf) and captures. Out: FOLDER/policies and FOLDER/seeds/N.
import Capture
import Dataplane
import Glibc
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import TestSupport

private let seed: UInt64 = 0x6675_7a7a
private let randomPolicies = 48

private func raw<T: BitwiseCopyable>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

private func fail(_ text: String) -> Never {
    let line = "fuzzinputs: error: \(text)\n"
    write(STDERR_FILENO, line, line.utf8.count)
    exit(65)
}

/// A policy as native.c reads it: configuration, tables, banned prefixes.
private func image(of policy: CheckedPolicy, bans: [Prefix], own: [IPAddress]) -> [UInt8] {
    var target = CompileTarget()
    target.isReplay = true
    target.ownAddresses = own
    target.interfaces = [.init(name: "veth0", index: 1), .init(name: "lo", index: 2)]
    do throws(CompileError) {
        let image = try compile(policy, for: target)
        let keys = bans.flatMap { raw(guard_ban_key($0)) }
        return raw(image.config) + raw(UInt64(image.tables.count)) + image.tables
            + raw(UInt64(image.addresses.count)) + image.addresses
            + raw(UInt64(bans.count)) + keys
    } catch { fail("policy '\(policy.name)' does not compile: \(error.diagnostics.map(\.message))") }
}

private func randomImages() throws -> [[UInt8]] {
    var random = SeededGenerator(seed: seed)
    return try (0..<randomPolicies).map { _ in
        let policy = try random.policy(rules: random.pick([0, 1, 3, 10, 70, 140]))
        let bans = (0..<random.pick([0, 1, 3])).map { _ in
            let v6 = random.chance(40)
            let address = v6 ? IPAddress(v6: random.pick(World.v6)) : IPAddress(v4: random.pick(World.v4))
            return Prefix(masking: address, length: random.pick([0, 1, 24, 31, 32])) ?? Prefix(address)
        }
        let all = World.v4.map(IPAddress.init(v4:)) + World.v6.map(IPAddress.init(v6:))
        return image(of: policy, bans: bans, own: all.filter { _ in random.chance(15) })
    }
}

/// A policy by number and a capture's first frames, as native.c reads them. Frames that no live interface
/// could have brought are cut, as are long payloads: they slow the fuzzer down and say nothing.
private func seed(of capture: String, policy number: Int) -> [UInt8] {
    var bytes = [UInt8(truncatingIfNeeded: number)]
    do throws(CaptureError) {
        var reader = try CaptureReader(path: capture)
        while let frame = try reader.next(), frame.number <= 8 {
            let part = frame.bytes.prefix(256)
            let length = UInt16(part.count)
            bytes += [255, UInt8(frame.number % 3), 0, 1, UInt8(length >> 8), UInt8(length & 255)] + part
        }
    } catch {
        // What came before the error is a seed all the same.
    }
    return bytes
}

private func save(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "wb") else { fail("\(path): \(String(cString: strerror(errno)))") }
    let count = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, count == bytes.count else { fail("\(path): cannot be written") }
}

private let arguments = CommandLine.arguments.dropFirst()
guard let folder = arguments.first else { fail("expected a folder, policies and captures") }
private var images = try randomImages()
private let inputs = arguments.dropFirst()
for path in inputs where path.hasSuffix(".conf") {
    guard let policy = loadPolicy(path: path).policy else { fail("\(path): not a policy") }
    images.append(image(of: policy, bans: [], own: []))
}
save(raw(UInt64(images.count)) + images.flatMap { $0 }, to: "\(folder)/policies")
mkdir("\(folder)/seeds", 0o777)
for (number, path) in inputs.filter({ !$0.hasSuffix(".conf") }).enumerated() {
    save(seed(of: path, policy: number % images.count), to: "\(folder)/seeds/\(number)")
}
print("\(images.count) policies, \(inputs.count { !$0.hasSuffix(".conf") }) seeds")
