// SPDX-License-Identifier: Apache-2.0
// Rules that ask for cookies in the image: their rates stand behind the policy's limits, one for each.
import Diagnostics
import GuardABI
import MapCompiler
import NetworkTypes
import PolicyLanguage
import Testing

private func policy(_ actions: [RuleAction]) -> CheckedPolicy {
    let nowhere = SourceRange(SourceText(path: "", text: ""), 0, 0)
    var policy = CheckedPolicy(name: "cookies")
    for (number, action) in actions.enumerated() {
        var rule = Rule(name: "r\(number)", action: action, range: nowhere)
        if action == .pass { rule.synCookiesAbove = .packets(UInt64(number) + 1, perSeconds: 1) }
        policy.rules.append(rule)
    }
    return policy
}

private func entry(_ number: Int, of image: MapImage) -> guard_rule {
    let stride = MemoryLayout<guard_rule>.stride
    return image.tables.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: Int(image.config.rules) + number * stride, as: guard_rule.self)
    }
}

@Test func `each rule with syn-cookies has a rate of its own, others none`() throws {
    let image = try compile(policy([.pass, .drop, .pass, .reject]), for: CompileTarget())
    let none = UInt16(GUARD_NO_LIMIT)
    #expect((0..<4).map { entry($0, of: image).cookies } == [0, none, 1, none])
    #expect((0..<4).allSatisfy { entry($0, of: image).limit == none })
    #expect(image.config.limit_count == 2 && image.config.bucket_lines > 0)
    let flags = UInt32(GUARD_CFG_SYN_COOKIES.rawValue) | UInt32(GUARD_CFG_LIMITS.rawValue)
    #expect(image.config.flags & flags == flags)
}

@Test func `a policy without syn-cookies pays for nothing`() throws {
    let image = try compile(policy([.drop, .continue]), for: CompileTarget())
    #expect(image.config.flags & UInt32(GUARD_CFG_SYN_COOKIES.rawValue) == 0)
    #expect(image.config.limit_count == 0 && image.config.bucket_lines == 0)
}

@Test func `two rules do not share a bucket, and a rule keeps its own while its rate stays`() throws {
    func rates(_ image: MapImage) -> [guard_limit] {
        let stride = MemoryLayout<guard_limit>.stride
        return (0..<Int(image.config.limit_count)).map { number in
            image.tables.withUnsafeBytes {
                $0.loadUnaligned(
                    fromByteOffset: Int(image.config.limits) + number * stride, as: guard_limit.self)
            }
        }
    }
    let first = rates(try compile(policy([.pass, .pass]), for: CompileTarget()))
    #expect(first[0].seed != first[1].seed)
    #expect(first.allSatisfy { $0.key == UInt8(GUARD_LIMIT_RULE.rawValue) && $0.tolerance >= $0.cost })
    var changed = policy([.pass, .pass])
    changed.rules[1].synCookiesAbove = .packets(9, perSeconds: 1)
    let second = rates(try compile(changed, for: CompileTarget()))
    #expect(second[0].seed == first[0].seed && second[1].seed != first[1].seed)
}

@Test func `what the stack agrees to stands in the configuration`() throws {
    var target = CompileTarget()
    target.cookies.timestamps = true
    target.cookies.windowScaling = true
    target.cookies.scale = 200
    target.cookies.window = 4096
    let config = try compile(policy([.pass]), for: target).config
    let offers = GUARD_COOKIE_TIMESTAMPS.rawValue | GUARD_COOKIE_SCALE.rawValue
    #expect(UInt32(config.cookie_offers) == offers)
    #expect(config.cookie_scale == 14 && config.cookie_window == 4096)
}
