// SPDX-License-Identifier: Apache-2.0
// The C side's functions as tests use them: a policy's text in, an engine with its answers and counters out.
import Dataplane
import Diagnostics
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import Replay

/// An engine of the native datapath; released with this object.
final class NativeEngine {
    let datapath: OpaquePointer

    init(_ image: MapImage) throws {
        guard let made = image.withNative({ native_datapath_create($0) }) else { throw Refused() }
        datapath = made
    }

    deinit { native_datapath_destroy(datapath) }

    struct Refused: Error {}

    /// - Returns: the XDP action and the answer.
    func run(_ frame: [UInt8], linear: UInt32 = .max, now: UInt64 = 0) -> (action: Int32, answer: guard_trace)
    {
        var trace = guard_trace()
        trace.now_ns = now
        trace.clock_ns = now
        let action = frame.withUnsafeBytes { bytes in
            var frame = native_frame(bytes: bytes.baseAddress, length: UInt32(bytes.count), linear: linear)
            return native_datapath_run(datapath, &frame, &trace)
        }
        return (action, trace)
    }

    /// - Returns: 0 or a negative errno.
    func ban(_ key: guard_ban_key, ends: UInt64 = GUARD_FOREVER) -> Int32 {
        var key = key
        var ban = guard_ban()
        ban.ends_ns = ends
        return native_datapath_ban(datapath, &key, &ban)
    }

    func bannedPackets(_ prefix: Prefix) -> UInt64? {
        var key = guard_ban_key(prefix)
        return native_datapath_find_ban(datapath, &key)?.pointee.packets
    }

    func counter(_ reason: guard_reason, _ verdict: guard_verdict) -> guard_counter {
        native_datapath_reasons(datapath)[Int(reason.rawValue * GUARD_VERDICTS.rawValue + verdict.rawValue)]
    }
}

/// Rules in their order; slots are positions.
func image(rules: [Rule], log: UInt32? = nil, isReplay: Bool = true) throws -> MapImage {
    var policy = CheckedPolicy(name: "native")
    policy.defaultVerdict = .pass
    policy.rules = rules
    if log != nil { for index in policy.rules.indices { policy.rules[index].logEvery = log } }
    var target = CompileTarget()
    target.isReplay = isReplay
    target.slots = Dictionary(
        rules.enumerated().map { ($0.element.name, UInt32($0.offset)) },
        uniquingKeysWith: { first, _ in first })
    return try compile(policy, for: target)
}

/// A rule for UDP to a port.
func rule(_ name: String, port: UInt16, _ action: RuleAction) -> Rule {
    var rule = Rule(name: name, action: action, range: SourceRange(SourceText(path: "t", text: "t\n"), 0, 1))
    var service = ServiceSet(others: false)
    service.exceptions[.udp] = .init(values: IntervalSet(port...port), unread: false)
    rule.match.service = service
    return rule
}

/// UDP from 192.0.2.77 port 1000 to 198.51.100.1, with a payload of `payload` bytes.
func udp(port: UInt16, payload: Int = 10) -> [UInt8] {
    func big(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 255), UInt8(value & 255)] }
    let ethernet: [UInt8] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]
    let ip: [UInt8] =
        [0x45, 0] + big(28 + payload) + [0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 77, 198, 51, 100, 1]
    return ethernet + ip + big(1000) + big(Int(port)) + big(8 + payload) + [0, 0]
        + [UInt8](repeating: 0x41, count: payload)
}
