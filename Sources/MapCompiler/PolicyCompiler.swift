// SPDX-License-Identifier: Apache-2.0
// Checked policy to map image: pure, deterministic, the same policy gives the same bytes.
import Diagnostics
import GuardABI
import NetworkTypes
import PolicyLanguage

/// Compiles a policy for a target.
/// - Throws: `CompileError` where the policy is beyond a limit of the datapath.
public func compile(_ policy: CheckedPolicy, for target: CompileTarget) throws(CompileError) -> MapImage {
    var compiler = PolicyCompiler(policy, target)
    return try compiler.compile()
}

/// The state of one compilation.
struct PolicyCompiler {
    let policy: CheckedPolicy
    let target: CompileTarget
    var config = guard_config()
    var writer = TableWriter()
    var addresses: [UInt8] = []
    /// The rules', by number.
    private(set) var records: [guard_rule] = []
    /// What `guard_rule.limit` and `guard_rule.cookies` are positions in: the policy's limits come first.
    var limitRecords: [guard_limit] = []
    var problems: [Diagnostic] = []

    init(_ policy: CheckedPolicy, _ target: CompileTarget) {
        self.policy = policy
        self.target = target
    }

    mutating func compile() throws(CompileError) -> MapImage {
        checkLimits()
        guard problems.isEmpty else { throw CompileError(diagnostics: problems) }
        config.abi_version = UInt32(GUARD_ABI_VERSION)
        config.flags = flags
        config.decapsulate = decapsulate
        config.flow_count = guard_flow_count(target.flowCount)
        config.rule_count = UInt32(policy.rules.count)
        limitRecords = policy.limits.enumerated().map { position, limit in
            guard_limit(limit, slot: target.limitSlots[limit.name] ?? UInt32(position))
        }
        writeRules()
        writeLimits()
        writeInspectors()
        target.cookies.write(to: &config)
        writeServiceBases()
        let plans = [AddressFamily.ipv4, .ipv6].map { FamilyClassifier($0, of: policy, target.classifier) }
        let classifiers = plans.map { writeClassifier($0) }
        writeAddresses(plans)
        writeOwnAddresses()
        writeInterfaces()
        config.tables_size = UInt32(writer.bytes.count)
        guard problems.isEmpty else { throw CompileError(diagnostics: problems) }
        return MapImage(
            config: config, tables: writer.bytes, addresses: addresses, classifiers: classifiers,
            limits: Array(limitRecords.prefix(policy.limits.count)))
    }

    /// Writes what searches one family's rules.
    private mutating func writeClassifier(_ plan: FamilyClassifier) -> ClassifierSummary {
        let begin = writer.bytes.count
        checkLimits(plan)
        var constants = plan.constants
        if problems.isEmpty {
            writeIndexTables(plan.matches, into: &constants)
            // Without gaps a bit is the rule of its number.
            if plan.bitRules.last != plan.bitRules.indices.last {
                constants.numbers = writer.append(plan.bitRules.map(UInt32.init))
            }
            if let space = plan.space { write(space, into: &constants) }
        }
        if plan.family == .ipv4 {
            config.classifiers.0 = constants
        } else {
            config.classifiers.1 = constants
        }
        return ClassifierSummary(
            family: plan.family, engine: plan.space == nil ? .bitVectors : .tupleSpace,
            rules: plan.rules.count,
            entries: Int(constants.entry_count), tuples: Int(constants.tuple_count),
            longestList: Int(constants.longest), bitRules: plan.bitRules.count,
            bytes: writer.bytes.count - begin)
    }

    private mutating func checkLimits(_ plan: FamilyClassifier) {
        let bits = Int(GUARD_ROW_BITS_MAX)
        if plan.space == nil, plan.rules.count > bits {
            problems.append(
                limit(
                    "the policy has \(plan.rules.count) rules",
                    "bit vectors hold at most \(bits)", at: policy.rules[plan.rules[bits]].range))
        }
        guard let space = plan.space else { return }
        let room = bits - (space.bitRules.count + 63) / 64 * 64
        if space.conditions.count > room {
            problems.append(
                limit(
                    "the rules have \(space.conditions.count) different conditions beside a few addresses, "
                        + "services and source ports", "at most \(room) are possible",
                    at: policy.rules[space.conditions[room].rule].range))
        }
        let most = (1 << Int(GUARD_SLOT_ENTRY_BITS)) - 2
        if space.entries.count > most {
            problems.append(
                limit(
                    "the rules name \(space.entries.count) combinations of addresses and services",
                    "at most \(most) are possible",
                    at: policy.rules[Int(space.entries[most].rule)].range))
        }
    }

    /// Class numbers as the tables hold them; more than 65,536 classes are a limit.
    mutating func classNumbers(_ classes: [Int], _ what: String) -> [UInt16] {
        if let most = classes.max(), most > Int(UInt16.max) {
            problems.append(limit("\(what) fall into \(most + 1) classes", "at most 65536 are possible"))
        }
        return classes.map { UInt16(truncatingIfNeeded: $0) }
    }

    private mutating func checkLimits() {
        if policy.rules.count > Int(GUARD_RULES_MAX) {
            let rule = policy.rules[Int(GUARD_RULES_MAX)]
            problems.append(
                limit(
                    "the policy has \(policy.rules.count) rules", "at most \(GUARD_RULES_MAX) are possible",
                    at: rule.range))
        }
        let bits = policy.failsafe.map { failsafeMatches($0).count }.reduce(0, +)
        if bits > Int(GUARD_FAILSAFE_MAX), let entry = policy.failsafe.last {
            problems.append(
                limit(
                    "the failsafe entries need \(bits) matches with their replies",
                    "at most \(GUARD_FAILSAFE_MAX) are possible", at: entry.range))
        }
        for rule in policy.rules where (rule.match.payload?.count ?? 0) > Int(GUARD_PATTERNS_MAX) {
            problems.append(
                limit(
                    "rule '\(rule.name)' has \(rule.match.payload?.count ?? 0) payload patterns",
                    "at most \(GUARD_PATTERNS_MAX) are possible", at: rule.range))
        }
        if policy.limits.count > Int(GUARD_LIMITS) {
            problems.append(
                limit(
                    "the policy has \(policy.limits.count) limits", "at most \(GUARD_LIMITS) are possible",
                    at: policy.limits[Int(GUARD_LIMITS)].range))
        }
        if policy.inspectors.count > Int(GUARD_INSPECTORS) {
            problems.append(
                limit(
                    "the policy has \(policy.inspectors.count) inspectors",
                    "at most \(GUARD_INSPECTORS) are possible",
                    at: policy.inspectors[Int(GUARD_INSPECTORS)].range))
        }
        if target.interfaces.count > Int(GUARD_INTERFACES_MAX) {
            problems.append(
                limit(
                    "\(target.interfaces.count) interfaces", "at most \(GUARD_INTERFACES_MAX) are possible"))
        }
    }

    /// - Parameter range: nil: of the policy as a whole, told at its first rule where it has one.
    func limit(_ message: String, _ bound: String, at range: SourceRange? = nil) -> Diagnostic {
        let place = range ?? policy.rules.first?.range ?? policy.failsafe.first?.range
        return Diagnostic(
            id: "datapath-limit", message + ", but " + bound,
            at: place ?? SourceRange(SourceText(path: policy.name, text: ""), 0, 0),
            help: "split or merge what it names", isOfWholeFile: place == nil)
    }

    private var flags: UInt32 {
        var flags: UInt32 = 0
        func set(_ flag: guard_config_flags, _ condition: Bool) {
            if condition { flags |= UInt32(flag.rawValue) }
        }
        set(GUARD_CFG_VIRTUAL_CLOCK, target.isReplay)
        set(GUARD_CFG_MONITOR, policy.mode == .monitor)
        set(GUARD_CFG_MALFORMED_PASS, policy.malformed == .pass)
        set(GUARD_CFG_SPOOFED_PASS, policy.spoofed == .pass)
        set(GUARD_CFG_FRAGMENTS_PASS, policy.fragments == .pass)
        set(GUARD_CFG_FRAGMENTS_TRACK, policy.fragments == .track)
        set(GUARD_CFG_DEFAULT_DROP, policy.defaultVerdict == .drop)
        set(GUARD_CFG_ESSENTIAL_ND, policy.essential.contains(.nd))
        set(GUARD_CFG_ESSENTIAL_RA, policy.essential.contains(.ra))
        set(GUARD_CFG_ESSENTIAL_PMTU, policy.essential.contains(.pmtu))
        set(GUARD_CFG_ESSENTIAL_DHCP, policy.essential.contains(.dhcp))
        set(GUARD_CFG_FAILSAFE, !policy.failsafe.isEmpty)
        set(GUARD_CFG_NEVER_BAN, policy.hasNeverBan)
        set(GUARD_CFG_OWN_ADDRESSES, !target.ownAddresses.isEmpty || !target.ownBroadcasts.isEmpty)
        set(GUARD_CFG_LIMITS, policy.usesLimits)
        set(GUARD_CFG_PAYLOAD, policy.rules.contains { $0.match.payload != nil })
        set(GUARD_CFG_SYN_COOKIES, policy.usesCookies)
        set(GUARD_CFG_INSPECT, policy.inspects)
        set(GUARD_CFG_REJECT, policy.rules.contains { $0.action == .reject })
        // A replay shows replies as such even where nothing could drop them.
        set(GUARD_CFG_OPENED, policy.stateful && (target.isReplay || policy.canDropReplies))
        set(GUARD_CFG_STATE, policy.asksForState)
        return flags
    }

    private var decapsulate: UInt32 {
        policy.decapsulate.reduce(0) { $0 | $1.abi.rawValue }
    }

    private mutating func writeLimits() {
        config.limit_count = UInt32(limitRecords.count)
        config.limits = writer.append(limitRecords)
        if policy.usesLimits { config.bucket_lines = target.bucketLines }
    }

    private mutating func writeRules() {
        let limits = Dictionary(
            policy.limits.enumerated().map { ($0.element.name, $0.offset) },
            uniquingKeysWith: { first, _ in first })
        let inspectors = inspectorNumbers
        var rules: [guard_rule] = []
        var patterns: [guard_pattern] = []
        for rule in policy.rules {
            var entry = guard_rule()
            entry.limit = limitRecord(rule, limits)
            entry.cookies = cookieRecord(rule)
            entry.inspector = rule.inspect.flatMap { inspectors[$0] } ?? UInt16(GUARD_NO_INSPECTOR)
            entry.slot = target.slots[rule.name] ?? GUARD_NO_SLOT
            entry.log_every = rule.logEvery ?? 0
            entry.action = UInt8(rule.action.abi.rawValue)
            if rule.monitor { entry.flags |= UInt8(GUARD_RULE_MONITOR) }
            if let expires = rule.expires {
                entry.flags |= UInt8(GUARD_RULE_EXPIRES)
                entry.expires_ns = programTime(ofSeconds: expires)
            }
            if rule.askedState == .new { entry.flags |= UInt8(GUARD_RULE_NEW) }
            if rule.askedState == .established { entry.flags |= UInt8(GUARD_RULE_ESTABLISHED) }
            entry.pattern_first = UInt32(patterns.count)
            entry.pattern_count = UInt16(rule.match.payload?.count ?? 0)
            patterns += (rule.match.payload ?? []).map(pattern)
            rules.append(entry)
        }
        config.pattern_count = UInt32(patterns.count)
        records = rules
        config.rules = writer.append(rules)
        config.patterns = writer.append(patterns)
    }

    /// A wall-clock second on the program's clock; 0 for times before its start, the far end for those
    /// beyond it.
    private func programTime(ofSeconds seconds: Int64) -> UInt64 {
        let (nanoseconds, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? 0 : UInt64.max }
        let (time, beyond) = nanoseconds.subtractingReportingOverflow(target.clockOffsetNanoseconds)
        guard !beyond else { return nanoseconds < 0 ? 0 : UInt64.max }
        return UInt64(max(0, time))
    }

    private func pattern(_ pattern: PayloadPattern) -> guard_pattern {
        var entry = guard_pattern()
        entry.offset = UInt8(pattern.offset)
        entry.length = UInt8(pattern.bytes.count)
        withUnsafeMutableBytes(of: &entry.mask) { $0.copyBytes(from: pattern.mask) }
        withUnsafeMutableBytes(of: &entry.value) { value in
            value.copyBytes(from: zip(pattern.bytes, pattern.mask).map { $0 & $1 })
        }
        return entry
    }

    private mutating func writeInterfaces() {
        config.interface_count = UInt32(target.interfaces.count)
        withUnsafeMutableBytes(of: &config.interfaces) { bytes in
            let indexes = bytes.bindMemory(to: UInt32.self)
            for (position, interface) in target.interfaces.enumerated() {
                indexes[position] = interface.index
            }
        }
        config.loopback = target.interfaces.first { $0.name == "lo" }?.index ?? 0
    }
}

extension CheckedPolicy {
    /// Some rule charges packets: buckets are needed.
    fileprivate var usesLimits: Bool { rules.contains { $0.limit != nil } || usesCookies }
    fileprivate var usesCookies: Bool { rules.contains { $0.synCookieLimit != nil } }
}

extension RuleAction {
    var abi: guard_rule_action {
        switch self {
        case .pass: GUARD_ACTION_PASS
        case .drop: GUARD_ACTION_DROP
        case .reject: GUARD_ACTION_REJECT
        case .continue: GUARD_ACTION_CONTINUE
        }
    }
}

extension Encapsulation {
    fileprivate var abi: guard_tunnel {
        switch self {
        case .ipip: GUARD_TUNNEL_IPIP
        case .ipv4InIPv6: GUARD_TUNNEL_4IN6
        case .ipv6InIPv4: GUARD_TUNNEL_6IN4
        case .gre: GUARD_TUNNEL_GRE
        case .vxlan: GUARD_TUNNEL_VXLAN
        case .geneve: GUARD_TUNNEL_GENEVE
        }
    }
}
