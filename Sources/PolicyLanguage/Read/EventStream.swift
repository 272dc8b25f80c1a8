// SPDX-License-Identifier: Apache-2.0
// libyaml's event stream, owned: bytes in; events with byte offsets, or the place where the syntax ends,
// out.
import CYAML

/// What libyaml found next. Offsets are bytes of the whole file.
struct YAMLEvent {
    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd
        /// The text's bytes, which are there until the next event is asked for.
        case scalar(UnsafeBufferPointer<UInt8>, style: ScalarStyle)
        /// `flow`: in `[ ]` or `{ }`, or a single pair inside `[ ]`.
        case sequenceStart(flow: Bool)
        case mappingStart(flow: Bool)
        case collectionEnd
        case alias(String)
    }
    enum ScalarStyle { case plain, quoted, block }

    let kind: Kind
    var anchor: String?
    var tag: String?
    let start: Int
    let end: Int
}

/// Where libyaml could not go on, in its own words.
struct YAMLFailure: Error {
    let problem: String
    let context: String
    let offset: Int
    /// Where the thing starts that it was in the middle of.
    let contextOffset: Int
    /// The scanner, which reads ahead of the parser, is inside `[ ]` or `{ }`.
    let scannerIsInFlow: Bool
}

/// The parser and the text it reads; events come one by one.
struct EventStream: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private var offsets: CharacterOffsets
    /// Owns the texts of the event that was handed out last.
    private let event: UnsafeMutablePointer<yaml_event_t>

    /// Whether every character of the file is one byte.
    var isASCII: Bool { offsets.isASCII }

    /// - Parameters:
    ///   - bytes: valid UTF-8 that outlives the stream.
    ///   - base: where to start: the length of the byte-order mark.
    init?(_ bytes: UnsafeBufferPointer<UInt8>, from base: Int) {
        parser = .allocate(capacity: 1)
        parser.initialize(to: yaml_parser_t())
        event = .allocate(capacity: 1)
        event.initialize(to: yaml_event_t())
        offsets = CharacterOffsets(bytes, from: base)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            event.deallocate()
            return nil
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        // An empty text still needs an address.
        let start = bytes.baseAddress.map { $0 + base }
        yaml_parser_set_input_string(parser, start, bytes.count - base)
    }

    deinit {
        yaml_event_delete(event)
        event.deallocate()
        yaml_parser_delete(parser)
        parser.deallocate()
    }

    mutating func next() throws(YAMLFailure) -> YAMLEvent {
        yaml_event_delete(event)
        guard yaml_parser_parse(parser, event) == 1 else { throw failure() }
        let start = offsets.byte(ofCharacter: Int(event.pointee.start_mark.index))
        let end = offsets.byte(ofCharacter: Int(event.pointee.end_mark.index))
        return Self.translate(event.pointee, start, end)
    }

    private mutating func failure() -> YAMLFailure {
        let state = parser.pointee
        let offset = offsets.byte(ofCharacter: Int(state.problem_mark.index))
        let context = state.context.map { String(cString: $0) } ?? ""
        return YAMLFailure(
            problem: state.problem.map { String(cString: $0) } ?? "", context: context, offset: offset,
            contextOffset: context.isEmpty
                ? offset : offsets.byte(ofCharacter: Int(state.context_mark.index)),
            scannerIsInFlow: state.flow_level > 0)
    }

    private static func translate(_ event: yaml_event_t, _ start: Int, _ end: Int) -> YAMLEvent {
        func plain(_ kind: YAMLEvent.Kind) -> YAMLEvent { YAMLEvent(kind: kind, start: start, end: end) }
        switch event.type {
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let kind = YAMLEvent.Kind.scalar(bytes, style: style(scalar.style))
            let anchor = text(scalar.anchor)
            return YAMLEvent(kind: kind, anchor: anchor, tag: text(scalar.tag), start: start, end: end)
        case YAML_SEQUENCE_START_EVENT:
            let data = event.data.sequence_start
            let kind = YAMLEvent.Kind.sequenceStart(flow: data.style == YAML_FLOW_SEQUENCE_STYLE)
            return YAMLEvent(
                kind: kind, anchor: text(data.anchor), tag: text(data.tag), start: start, end: end)
        case YAML_MAPPING_START_EVENT:
            let data = event.data.mapping_start
            let kind = YAMLEvent.Kind.mappingStart(flow: data.style == YAML_FLOW_MAPPING_STYLE)
            return YAMLEvent(
                kind: kind, anchor: text(data.anchor), tag: text(data.tag), start: start, end: end)
        case YAML_ALIAS_EVENT: return plain(.alias(text(event.data.alias.anchor) ?? ""))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return plain(.collectionEnd)
        case YAML_DOCUMENT_START_EVENT: return plain(.documentStart)
        case YAML_DOCUMENT_END_EVENT: return plain(.documentEnd)
        case YAML_STREAM_START_EVENT: return plain(.streamStart)
        default: return plain(.streamEnd)
        }
    }

    private static func style(_ style: yaml_scalar_style_t) -> YAMLEvent.ScalarStyle {
        switch style {
        case YAML_PLAIN_SCALAR_STYLE, YAML_ANY_SCALAR_STYLE: .plain
        case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: .block
        default: .quoted
        }
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }
}

/// libyaml's marks count characters; this finds their bytes. Marks move forward but for short steps back,
/// so that a cursor makes the whole file linear.
private struct CharacterOffsets {
    private let bytes: UnsafeBufferPointer<UInt8>
    private let base: Int
    let isASCII: Bool
    private var character = 0
    private var byte: Int

    init(_ bytes: UnsafeBufferPointer<UInt8>, from base: Int) {
        self.bytes = bytes
        self.base = base
        byte = base
        isASCII = bytes[base...].allSatisfy { $0 < 0x80 }
    }

    mutating func byte(ofCharacter index: Int) -> Int {
        if isASCII { return min(base + index, bytes.count) }
        while character < index, byte < bytes.count {
            byte += 1
            while byte < bytes.count, bytes[byte] & 0xc0 == 0x80 { byte += 1 }
            character += 1
        }
        while character > index, byte > base {
            byte -= 1
            while byte > base, bytes[byte] & 0xc0 == 0x80 { byte -= 1 }
            character -= 1
        }
        return byte
    }
}
