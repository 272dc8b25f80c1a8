// SPDX-License-Identifier: Apache-2.0
// A signature while its options are read, in order: which buffer inspections go to, and what was last
// said. Keywords/ fills it, SignatureDraft+Settle makes the checked form of it.

/// What an option does to the draft.
typealias KeywordHandler = @Sendable (inout SignatureDraft, RuleOption) throws(RuleProblem) -> Void

/// How a content asked for the prefilter.
enum FastPatternRequest: Equatable {
    case none, preferred, only
    case part(offset: Int, length: Int)
}

/// An inspection with what only the reading of its text needs.
struct DraftItem {
    var inspection: Inspection
    var place: Range<Int>
    var fastPattern = FastPatternRequest.none
    /// `depth`, `offset`, `distance`, `within`, `startswith` stood there: each once, and not all together.
    var said: Set<String> = []
}

/// The inspections of one buffer.
struct DraftGroup {
    var buffer: Buffer
    var transforms: [Transform] = []
    var items: [DraftItem] = []
    /// Where the `base64_decode` stands whose result this is; nil: a buffer.
    var decodedBy: ItemIndex?
}

/// Where an inspection stands in the draft.
struct ItemIndex: Equatable {
    var group: Int
    var item: Int
}

struct SignatureDraft {
    let context: LoadContext
    var signature: Signature
    var groups: [DraftGroup] = []

    /// The buffer that inspections go to until another is named; nil: the payload, or what old modifiers say.
    var sticky: (buffer: Buffer, transforms: [Transform], group: Int?)?
    /// The newest content: what `nocase`, `depth` and the like, and old buffer modifiers, are about.
    var lastContent: ItemIndex?
    /// The group of the newest inspection: where relative ones without a buffer go to.
    var lastGroup: Int?
    /// The newest `base64_decode`: what `base64_data` inspects.
    var lastDecode: ItemIndex?

    /// Buffer keywords stand before their contents, and contents take options behind commas.
    var isSnort3 = false
    var requiresPacket = false
    var requiresStream = false
    var variables: [String: Int] = [:]
    /// Keywords that stand at most once.
    var seen: Set<String> = []
    /// Records that keywords without a buffer ask for.
    var needs: Set<Buffer.Owner> = []
    /// Keywords that were read and have no effect here.
    var ignored: [RuleOption] = []
    var classtypePlace: Range<Int>?
    /// `noalert` or `alert` said so; nil: by the action.
    var isReported: Bool?
    var statesPriority = false

    init(_ context: LoadContext, _ signature: Signature) {
        self.context = context
        self.signature = signature
    }
}

extension SignatureDraft {
    /// Adds an inspection where the text says: to a named buffer, the sticky one, a relative one to where the
    /// newest is, else to the payload.
    @discardableResult
    mutating func add(_ item: DraftItem, to buffer: Buffer? = nil, isRelative: Bool = false) -> ItemIndex {
        let group: Int
        if let buffer {
            group = groupIndex(of: buffer)
        } else if sticky != nil {
            group = stickyGroup()
        } else if isRelative, let last = lastGroup {
            group = last
        } else {
            group = groupIndex(of: .payload)
        }
        groups[group].items.append(item)
        lastGroup = group
        return ItemIndex(group: group, item: groups[group].items.count - 1)
    }

    private mutating func stickyGroup() -> Int {
        guard let sticky else { return groupIndex(of: .payload) }
        if let group = sticky.group { return group }
        // A buffer that comes several times is looked at anew each time it is named.
        let known = sticky.buffer.hasInstances ? nil : index(of: sticky.buffer, sticky.transforms)
        let group = known ?? append(DraftGroup(buffer: sticky.buffer, transforms: sticky.transforms))
        self.sticky?.group = group
        return group
    }

    private mutating func groupIndex(of buffer: Buffer) -> Int {
        index(of: buffer, []) ?? append(DraftGroup(buffer: buffer))
    }

    private func index(of buffer: Buffer, _ transforms: [Transform]) -> Int? {
        groups.firstIndex { $0.buffer == buffer && $0.transforms == transforms && $0.decodedBy == nil }
    }

    mutating func append(_ group: DraftGroup) -> Int {
        groups.append(group)
        return groups.count - 1
    }

    /// The newest content is the newest inspection of all, and where the next one goes to.
    var isContentNewest: Bool {
        guard let at = lastContent, at.group == lastGroup, at.item == groups[at.group].items.count - 1
        else { return false }
        return sticky == nil || sticky?.group == at.group
    }

    /// Changes the newest content. What `keyword` is about is said where there is none.
    mutating func changeContent(
        _ option: RuleOption, _ change: (inout ContentMatch, inout DraftItem) throws(RuleProblem) -> Void
    ) throws(RuleProblem) {
        guard let at = lastContent, case .content(var content) = groups[at.group].items[at.item].inspection
        else {
            throw RuleProblem(
                "no-content", "'\(option.name)' stands before any content", at: option.place,
                help: "write it behind the 'content' that it changes")
        }
        var item = groups[at.group].items[at.item]
        try change(&content, &item)
        item.inspection = .content(content)
        groups[at.group].items[at.item] = item
    }

    /// An old modifier: the newest content is one of this buffer.
    mutating func moveContent(_ option: RuleOption, to buffer: Buffer) throws(RuleProblem) {
        guard let at = lastContent else {
            throw RuleProblem(
                "no-content", "'\(option.name)' stands before any content", at: option.place,
                help:
                    "write it behind its 'content', or write the sticky buffer '\(buffer.rawValue)' before it"
            )
        }
        guard sticky == nil, groups[at.group].buffer == .payload, groups[at.group].decodedBy == nil else {
            throw RuleProblem(
                "buffer-conflict", "the content has a buffer already", at: option.place,
                help: "write 'pkt_data' before the content to leave the sticky buffer")
        }
        let moved = groups[at.group].items.remove(at: at.item)
        if let decode = lastDecode, decode.group == at.group, decode.item > at.item {
            lastDecode = ItemIndex(group: decode.group, item: decode.item - 1)
        }
        lastContent = add(moved, to: buffer)
    }

    /// A sticky buffer: what follows goes to it.
    mutating func setSticky(_ buffer: Buffer) { sticky = (buffer, [], nil) }

    /// The operand that a text names: a number, or what was read before.
    func operand(_ text: Slice, _ option: RuleOption) throws(RuleProblem) -> Operand {
        if let number = text.signedNumber { return .literal(number) }
        if let slot = variables[text.text] { return .variable(slot) }
        throw RuleProblem(
            "bad-number", "'\(text.text)' is neither a number nor a name that was set before", at: text.place,
            expected: "a number, or a name of 'byte_extract' or 'byte_math'")
    }

    /// A slot for a name that `byte_extract` or `byte_math` sets.
    mutating func slot(_ name: Slice) throws(RuleProblem) -> Int {
        guard let first = name.first, !first.isDigit, first != UInt8(ascii: "-") else {
            throw RuleProblem(
                "bad-name", "'\(name.text)' is no name", at: name.place, expected: "a letter first")
        }
        let text = name.text
        if let known = variables[text] { return known }
        guard variables.count < SignatureLimits.variables else {
            throw RuleProblem(
                "too-many-names", "more than \(SignatureLimits.variables) names are set", at: name.place)
        }
        let slot = variables.count
        variables[text] = slot
        signature.variableCount = variables.count
        return slot
    }
}

/// The value of an option that needs one.
func required(_ option: RuleOption, _ expected: String) throws(RuleProblem) -> Slice {
    guard let value = option.value, !value.isEmpty else {
        throw RuleProblem("no-value", "'\(option.name)' has no value", at: option.place, expected: expected)
    }
    return value
}

/// Says it where an option that takes none has a value.
func withoutValue(_ option: RuleOption) throws(RuleProblem) {
    guard let value = option.value, !value.isEmpty else { return }
    throw RuleProblem(
        "bad-value", "'\(option.name)' takes no value", at: value.place, expected: "'\(option.name);'")
}
