// SPDX-License-Identifier: Apache-2.0
// libyaml's words for a syntax error in, ours out: what is wrong, and what to do.
import Diagnostics

/// The diagnostic for a text that is no YAML.
func syntaxDiagnostic(_ failure: YAMLFailure, in source: SourceText) -> Diagnostic {
    let (offset, wording) = (failure.offset, wording(failure, in: source))
    var related: [Diagnostic.Label] = []
    if let started = openings[failure.context], failure.contextOffset < offset {
        related = [.init(SourceRange(source, failure.contextOffset, failure.contextOffset + 1), started)]
    }
    return Diagnostic(
        id: "yaml-syntax", wording.message,
        at: SourceRange(source, offset, min(offset + 1, source.bytes.count)),
        related: related, help: wording.help)
}

/// What is said of the place where something starts that is never finished.
private let openings = [
    "while parsing a flow sequence": "the list starts here",
    "while parsing a flow mapping": "the mapping starts here",
    "while parsing a block mapping": "the mapping starts here",
    "while parsing a block collection": "the list starts here",
    "while scanning a quoted scalar": "the quote opens here",
    "while scanning a simple key": "the key starts here",
]

private typealias Wording = (message: String, help: String)

private func wording(_ failure: YAMLFailure, in source: SourceText) -> Wording {
    if failure.offset < source.bytes.count, source.bytes[failure.offset] == 0x09,
        failure.problem.contains("tab") || failure.problem.contains("start any token")
    {
        return ("a tab cannot indent", "indent with spaces")
    }
    if let wording = wordings[failure.problem] { return wording }
    if failure.context.contains("directive") || failure.problem.contains("document") {
        return ("this is no YAML directive that a policy can have", "remove the line")
    }
    return ("this is no YAML: \(failure.problem)", "check quotes, brackets and indentation here")
}

private let wordings: [String: Wording] = [
    "did not find expected key": (
        "a key was expected here", "check the indentation, and quotes or brackets on the lines before"
    ),
    "did not find expected '-' indicator": (
        "a list item '- ' was expected here", "indent all items of a list alike"
    ),
    "did not find expected ',' or ']'": ("',' or ']' was expected here", "close the list with ']'"),
    "did not find expected ',' or '}'": ("',' or '}' was expected here", "close the mapping with '}'"),
    "did not find expected node content": (
        "a value was expected here", "write a value, or remove what asks for it"
    ),
    "mapping values are not allowed in this context": (
        "a key cannot stand here",
        "indent it like the keys around it, or quote the value if ': ' is part of it"
    ),
    "mapping keys are not allowed in this context": (
        "a key cannot stand here", "indent it like the keys around it"
    ),
    "block sequence entries are not allowed in this context": (
        "a list item cannot stand here", "start the list on a line of its own"
    ),
    "could not find expected ':'": ("':' is missing behind a key", "write it as 'key: value'"),
    "found unexpected end of stream": ("a quote is never closed", "close it with the mark that opened it"),
    "found unexpected document indicator": (
        "a quote is never closed", "close it with the mark that opened it"
    ),
    "found unknown escape character": (
        "unknown escape in a quoted value", "write '\\\\' for a backslash, or use single quotes"
    ),
    "did not find expected hexdecimal number": (
        "hexadecimal digits are missing in an escape", "write '\\\\' for a backslash, or use single quotes"
    ),
    "found invalid Unicode character escape code": (
        "this escape is no character", "write the character itself"
    ),
    "did not find expected <document start>": (
        "the policy ended before this line", "indent it like the rest, or remove '...' above"
    ),
    "did not find expected comment or line break": (
        "nothing can follow on this line", "start the text on the next line"
    ),
    "found character that cannot start any token": ("a value cannot start like this", "put it in quotes"),
    "exceeded maximum depth": ("values are nested too deep", "nest less"),
]
