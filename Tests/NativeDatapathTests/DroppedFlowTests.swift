// SPDX-License-Identifier: Apache-2.0
// The native engine's dropped flows and budgets: room, what gives way, and what is kept across a swap.
import Dataplane
import Glibc
import GuardABI
import MapCompiler
import NativeDatapath
import NetworkTypes
import PolicyLanguage
import Testing

/// A policy that samples so many packets of each flow.
private func inspecting(packets: UInt32? = nil, name: String = "all") throws -> MapImage {
    var rules = [rule("dns", port: 53, .pass)]
    rules[0].inspect = name
    var policy = CheckedPolicy(name: "native")
    policy.defaultVerdict = .pass
    policy.inspectors = [Inspector(name: name, range: rules[0].range)]
    policy.inspectors[0].samplePackets = packets
    policy.rules = rules
    var target = CompileTarget()
    target.isReplay = true
    target.slots = ["dns": 0]
    return try compile(policy, for: target)
}

private func ends(_ number: UInt32) -> guard_flow_ends {
    guard_flow_ends(
        FlowEnds(
            .udp, .init(IPAddress(v4: 0xc633_6401), 53),
            .init(IPAddress(v4: 0xc000_0200 + number >> 16), UInt16(truncatingIfNeeded: number))))
}

extension NativeEngine {
    fileprivate func drop(_ flow: guard_flow_ends, until end: UInt64, now: UInt64 = 0) -> Int32 {
        var (flow, dropped) = (flow, guard_dropped_flow())
        dropped.ends_ns = end
        return native_datapath_drop_flow(datapath, &flow, &dropped, now)
    }

    fileprivate func isKnown(_ flow: guard_flow_ends) -> Bool {
        var flow = flow
        return native_datapath_find_dropped(datapath, &flow) != nil
    }
}

@Suite struct NativeDroppedFlowTests {
    @Test func `a full table forgets what has ended and refuses one more`() throws {
        let engine = try NativeEngine(try inspecting())
        let room = UInt32(GUARD_DROPPED_FLOWS)
        for number in 0..<room { #expect(engine.drop(ends(number), until: number < 100 ? 5 : 10) == 0) }
        #expect(engine.drop(ends(room), until: 10, now: 4) == -E2BIG)
        // Those that are there can be changed.
        #expect(engine.drop(ends(0), until: 7, now: 4) == 0)
        #expect(engine.drop(ends(room), until: 10, now: 5) == 0)
        #expect(engine.isKnown(ends(0)) && !engine.isKnown(ends(1)) && engine.isKnown(ends(room)))
        for number in room - 200..<room { #expect(engine.isKnown(ends(number))) }
    }

    @Test func `without inspectors, and of no family, no flow can be dropped`() throws {
        let plain = try NativeEngine(try image(rules: [rule("dns", port: 53, .pass)]))
        #expect(plain.drop(ends(1), until: 10) == -EINVAL && !plain.isKnown(ends(1)))
        let engine = try NativeEngine(try inspecting())
        #expect(engine.drop(guard_flow_ends(), until: 10) == -EINVAL)
    }

    @Test func `a dropped flow counts its packets until its end`() throws {
        let engine = try NativeEngine(try inspecting())
        let frame = udp(port: 53)
        var flow = guard_flow_ends(
            FlowEnds(
                .udp, .init(IPAddress(v4: 0xc000_024d), 1000), .init(IPAddress(v4: 0xc633_6401), 53)))
        #expect(engine.drop(flow, until: 10) == 0)
        for now in [0, 9] as [UInt64] {
            let answer = engine.run(frame, now: now).answer
            #expect(answer.reason == GUARD_REASON_FLOW.rawValue && answer.verdict == GUARD_DROP.rawValue)
            #expect(answer.sample_inspector == GUARD_NO_INSPECTOR)
        }
        let answer = engine.run(frame, now: 10).answer
        #expect(answer.reason == GUARD_REASON_RULE.rawValue && answer.sample_inspector == 0)
        let known = try #require(native_datapath_find_dropped(engine.datapath, &flow))
        #expect(known.pointee.packets == 2 && known.pointee.bytes == 76)
        #expect(native_datapath_sample_counts(engine.datapath)?[Int(GUARD_FLOWS_DROPPED.rawValue)] == 2)
    }

    @Test func `budgets outlive a swap to the same inspectors and begin anew with others`() throws {
        let engine = try NativeEngine(try inspecting(packets: 2))
        func isSampled() -> Bool { engine.run(udp(port: 53)).answer.sample_inspector == 0 }
        #expect(isSampled())
        func swap(_ image: MapImage) {
            #expect(image.withNative { native_datapath_load(engine.datapath, $0) } == 0)
        }
        swap(try inspecting(packets: 2))
        #expect(isSampled() && !isSampled())
        swap(try inspecting(packets: 2, name: "other"))
        #expect(isSampled() && isSampled() && !isSampled())
        let counts = native_datapath_sample_counts(engine.datapath)
        #expect(counts?[Int(GUARD_SAMPLES_BEYOND_BUDGET.rawValue)] == 2)
        #expect(counts?[Int(GUARD_SAMPLES_FLOWS.rawValue)] == 2)
    }
}
