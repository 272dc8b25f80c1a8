// SPDX-License-Identifier: Apache-2.0
// Sets and the files that they come from: read again, and asked for the line that gives an address.
import Dataplane
import Diagnostics
import JSONOutput
import MapCompiler
import NetworkTypes
import PolicyLanguage

/// Whether an address is in a set, and why.
public struct SetAnswer: Sendable {
    public var address: IPAddress
    public var isMember: Bool
    /// In words, as in "by line 3 of lists/drop.netset: 192.0.2.0/24".
    public var reason: String
    /// The line that gives it; nil where none does, or it cannot be found any more.
    public var file: String?
    public var line: Int?
}

extension SetService {
    /// Reads set files again and carries out what changed; a set that stands in the policy loses what was
    /// done by hand.
    /// - Parameters:
    ///   - names: empty: all sets that come from files.
    ///   - warn: takes rendered warnings.
    public func refresh(_ names: [String], warn: (String) -> Void) throws -> [SetOutcome] {
        // Nothing runs, or no such set: said before anybody is waited for.
        _ = try chosen(names, editor(running().current))
        // Of two that refresh the later one has the later files.
        let refreshing = try PinDirectory.lock(folder: datapath.pins.path)
        defer { withExtendedLifetime(refreshing) {} }
        for _ in 0..<Self.mostReadings {
            if let outcomes = try refreshOnce(names, warn) { return outcomes }
        }
        throw ServiceError(.tryAgain, "other policies were applied while the lists were read; try again")
    }

    /// Applies that come between reading and changing, one after the other: what was read before is read
    /// again, as an apply has read the files itself.
    private static let mostReadings = 5

    /// Files are read without the lock of all changes: nobody's ban waits for them.
    /// - Returns: nil where another program runs by now.
    private func refreshOnce(_ names: [String], _ warn: (String) -> Void) throws -> [SetOutcome]? {
        let program = try datapath.runningProgramID()
        var lists: [String: SetList] = [:]
        for set in try chosen(names, editor(running().current)) where !set.file.isEmpty {
            lists[set.name] = try readSetFile(set.file, warn: warn)
        }
        let lock = try PinDirectory.lock()
        defer { withExtendedLifetime(lock) {} }
        guard try datapath.runningProgramID() == program else { return nil }
        let running = try running()
        let editor = try editor(running.current)
        var changes: [SetChange] = []
        var outcomes: [SetOutcome] = []
        for set in try chosen(names, editor) {
            let (change, outcome) = try refreshing(set, editor, lists[set.name])
            if let change { changes.append(change) }
            outcomes.append(outcome)
        }
        try carryOut(changes, on: running)
        return outcomes
    }

    private func chosen(_ names: [String], _ editor: AddressEditor) throws -> [ImageSet] {
        for name in names { try asking(name, editor) { try editor.requireUsed(name) } }
        return editor.sets.filter { set in
            names.isEmpty ? set.isUsed && !set.file.isEmpty : names.contains(set.name)
        }
    }

    /// - Parameter list: what its file holds; nil: it has none.
    private func refreshing(
        _ set: ImageSet, _ editor: AddressEditor, _ list: SetList?
    ) throws -> (SetChange?, SetOutcome) {
        let now = wallClock()
        guard let list else {
            let change = SetChange(set.name, .restore, AddressSet(), count: 0, nanoseconds: now)
            let isChanged = !set.changes.isEmpty
            return (
                isChanged ? change : nil,
                SetOutcome(name: set.name, count: 0, isChanged: isChanged, isFile: false)
            )
        }
        let known = try asking(set.name, editor) { try editor.listed(in: set.name) }
        let isChanged = known != list.addresses || !set.changes.isEmpty
        let change = SetChange(
            set.name, .refresh, list.addresses, count: list.entries, nanoseconds: now)
        return (
            isChanged ? change : nil,
            SetOutcome(name: set.name, count: list.entries, isChanged: isChanged, isFile: true)
        )
    }

    /// Why each address is in a set or not.
    public func test(_ name: String, _ addresses: [IPAddress]) throws -> [SetAnswer] {
        let running = try running()
        let editor = try editor(running.current)
        let info = try runningInfo(datapath)
        var places = SetPlaces(sets: editor.sets, policyPath: info?.header.file)
        return try addresses.map { address in
            let why = try asking(name, editor) { try editor.membership(of: address, in: name) }
            return places.answer(address, name, why)
        }
    }
}

/// What a set file holds: addresses, and how many entries gave them.
public typealias SetList = (addresses: AddressSet, entries: Int)

/// The addresses of a set file. A file with a wrong line is refused as a whole.
/// - Parameter path: "-": standard input.
public func readSetFile(
    _ path: String, warn: (String) -> Void
) throws -> SetList {
    let bytes: [UInt8]
    do throws(FileReadError) {
        bytes = try DiskReader().read(path == "-" ? "/dev/stdin" : path)
    } catch {
        throw ServiceError(.noInput, "cannot read '\(printable(path))': \(error.reason); nothing was changed")
    }
    let name = path == "-" ? "standard input" : path
    let list = parseSetFile(SourceText(path: name, bytes: bytes))
    let errors = list.diagnostics.filter { $0.severity == .error }
    guard errors.isEmpty else {
        throw ServiceError(
            .wrongInput,
            errors.map { $0.rendered() }.joined()
                + "xdpguard: error: nothing was changed; correct the list\n",
            isDiagnostics: true)
    }
    warn(list.diagnostics.map { $0.rendered() }.joined())
    return (list.addresses, list.entries)
}

/// Finds the lines that give addresses; files are read once.
private struct SetPlaces {
    let sets: [ImageSet]
    let policyPath: String?
    private var files: [String: Result<SourceText, FileReadError>] = [:]
    private var policy: CheckedPolicy??

    init(sets: [ImageSet], policyPath: String?) {
        self.sets = sets
        self.policyPath = policyPath
    }

    mutating func answer(_ address: IPAddress, _ name: String, _ why: Membership) -> SetAnswer {
        var answer = SetAnswer(address: address, isMember: why.isMember, reason: "")
        answer.reason = words(address, name, why, &answer)
        return answer
    }

    private mutating func words(
        _ address: IPAddress, _ name: String, _ why: Membership, _ answer: inout SetAnswer
    ) -> String {
        switch why {
        case .addedByHand: return "added by hand\(time(name, [.added, .replaced]))"
        case .removedByHand: return "taken out by hand\(time(name, [.removed, .replaced]))"
        case .startsFromAll: return "nothing takes it out of '\(name)', which starts from all addresses"
        case .notListed: return "nothing in '\(name)' holds it"
        case .through(let set, let why):
            return "through '$\(set)': \(words(address, set, why, &answer))"
        case .excludedThrough(let set, let why):
            return "taken out by '!$\(set)', which holds it: \(words(address, set, why, &answer))"
        case .listed: return place(address, name, isNegated: false, &answer)
        case .excluded: return "taken out " + place(address, name, isNegated: true, &answer)
        }
    }

    /// " at TIME" of the last such change; empty where none is kept.
    private func time(_ name: String, _ kinds: [ImageChange.Kind]) -> String {
        let changes = sets.first { $0.name == name }?.changes ?? []
        let fitting = changes.filter { kinds.contains($0.kind) }
        guard let last = fitting.last else { return "" }
        let time = timestamp(nanoseconds: last.nanoseconds)
        return fitting.count == 1 ? " at \(time)" : ", last changed so at \(time)"
    }

    private mutating func place(
        _ address: IPAddress, _ name: String, isNegated: Bool, _ answer: inout SetAnswer
    ) -> String {
        let file = sets.first { $0.name == name }?.file ?? ""
        guard file.isEmpty else {
            return line(of: address, in: file, &answer)
        }
        if let item = item(address, name, isNegated: isNegated) {
            (answer.file, answer.line) = (item.range.source.path, item.range.line)
            return "by line \(item.range.line) of \(item.range.source.path)"
        }
        return "by the policy as it was applied; no line of it says so now"
    }

    private mutating func line(of address: IPAddress, in file: String, _ answer: inout SetAnswer) -> String {
        switch source(file) {
        case .failure(let error):
            return "by \(file) as it was last read; it cannot be read now: \(error.reason)"
        case .success(let source):
            guard let found = findInSetFile(source, address) else {
                return "by \(file) as it was last read; no line of it says so now"
            }
            (answer.file, answer.line) = (file, found.line)
            return "by line \(found.line) of \(file): \(found.text)"
        }
    }

    private mutating func source(_ path: String) -> Result<SourceText, FileReadError> {
        if let known = files[path] { return known }
        let source = Result { () throws(FileReadError) in
            SourceText(path: path, bytes: try DiskReader().read(path))
        }
        files[path] = source
        return source
    }

    private mutating func item(_ address: IPAddress, _ name: String, isNegated: Bool) -> SetItem? {
        if policy == nil { policy = .some(policyPath.flatMap { loadPolicy(path: $0).policy }) }
        let set = policy??.sets.first { $0.name == name }
        return set?.items.first { $0.isNegated == isNegated && $0.addresses?.contains(address) == true }
    }
}
