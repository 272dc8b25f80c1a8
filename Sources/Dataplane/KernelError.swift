// SPDX-License-Identifier: Apache-2.0
// What the kernel refused, in words: operation, object, errno's text, the useful end of the verifier's log.
import Glibc

/// A refused kernel operation.
public struct KernelError: Error, Sendable, CustomStringConvertible {
    /// What was tried, as in "attach to eth0".
    public var operation: String
    /// A positive errno; 0 where the kernel gave none.
    public var code: Int32
    /// What to do, or more about the cause; may be empty.
    public var help: String
    /// The verifier's log; empty unless loading a program failed.
    public var log: String

    public init(_ operation: String, code: Int32 = errno, help: String = "", log: String = "") {
        self.operation = operation
        self.code = code
        self.help = help
        self.log = log
    }

    /// The verifier too answers EACCES, with a log.
    public var isPermission: Bool { (code == EPERM || code == EACCES) && log.isEmpty }

    public var description: String {
        var text = "cannot \(operation)"
        if code != 0 { text += ": \(String(cString: strerror(code)))" }
        if !help.isEmpty { text += "; \(help)" }
        let tail = log.split(separator: "\n").suffix(8).joined(separator: "\n  ")
        if !tail.isEmpty { text += "\n  \(tail)" }
        return text
    }
}

/// A change that the kernel refused half-way and that could not wholly be taken back.
struct HalfChanged: Error, CustomStringConvertible {
    var cause: any Error
    var failures: [KernelError]

    var description: String {
        let rest = failures.map { "\($0)" }.joined(separator: "; ")
        return "\(cause); and not all could be taken back: \(rest); run 'xdpguard detach' and apply again"
    }

    /// The cause alone where all was taken back.
    static func error(_ cause: any Error, _ failures: [KernelError]) -> any Error {
        failures.isEmpty ? cause : HalfChanged(cause: cause, failures: failures)
    }
}

/// libbpf's functions return 0 or a count, or -errno.
@discardableResult
func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(KernelError) -> Int32 {
    if result < 0 { throw KernelError(operation(), code: -result) }
    return result
}

/// The size that libbpf wants of its option structs: up to the last field in use. The whole struct's size
/// would count padding, whose bytes are nobody's and which libbpf refuses when they are not zero.
func optionsSize<Options, Field>(upTo last: KeyPath<Options, Field>) -> Int {
    (MemoryLayout<Options>.offset(of: last) ?? 0) + MemoryLayout<Field>.size
}
