// SPDX-License-Identifier: Apache-2.0
// What a process asks of its sandbox, and what it got: `enterSandbox` turns the one into the other.

/// The confinement that a process enters for the rest of its life.
public struct SandboxRequest: Sendable, Equatable {
    /// User and group that the process becomes; nil: it stays who it is, for processes that have no privilege
    /// to change that.
    public var user: UInt32?
    /// Descriptors that stay open, in any order; all others are closed.
    public var descriptors: [Int32]
    /// Bytes of address space, what is mapped already included.
    public var memoryBytes: UInt64

    /// The traditional number of `nobody`.
    public static let nobody: UInt32 = 65534

    public init(user: UInt32?, descriptors: [Int32], memoryBytes: UInt64) {
        self.user = user
        self.descriptors = descriptors
        self.memoryBytes = memoryBytes
    }
}

/// What a sandbox came to on this kernel.
public struct SandboxStatus: Sendable, Equatable {
    /// Landlock's version; 0 where the kernel has none, and the filter of system calls alone closes the file
    /// system and the network.
    public var landlockVersion: UInt8

    public init(landlockVersion: UInt8) { self.landlockVersion = landlockVersion }

    /// Landlock forbids the whole file system.
    public var closesFiles: Bool { landlockVersion >= 1 }
    /// Landlock forbids TCP too: version 4, Linux 6.7.
    public var closesNetwork: Bool { landlockVersion >= 4 }
    /// Landlock forbids signals and abstract sockets to processes outside: version 6, Linux 6.12.
    public var closesSignals: Bool { landlockVersion >= 6 }
}

/// The steps into the sandbox, in the order in which they are taken.
package enum SandboxLayer: String, CaseIterable, Sendable {
    /// Descriptors that are not asked for are closed.
    case descriptors
    /// Another user, no capabilities, no new privileges.
    case privileges
    case landlock
    /// Memory, core dumps, processes, descriptors.
    case limits
    /// The allow-list of system calls.
    case filter
}

/// Why a process is not in its sandbox; it must end then, as some layers may hold already.
public enum SandboxError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Landlock and capabilities bind one thread, and there are so many.
    case severalThreads(Int)
    /// Whether there are other threads cannot be found out.
    case unknownThreads(errno: Int32)
    /// The kernel refused a step.
    case refused(layer: String, operation: String, errno: Int32)
    /// A probe of the finished sandbox came through.
    case open(String)

    public var description: String {
        switch self {
        case .severalThreads(let count):
            "cannot enter the sandbox: the process has \(count) threads and must have one; "
                + "enter it before any other thread starts"
        case .unknownThreads(let code):
            "cannot enter the sandbox: /proc/self/task cannot be read (\(errorText(code))); mount /proc"
        case .refused(let layer, let operation, let code):
            "cannot enter the sandbox: \(layer): cannot \(operation): \(errorText(code))"
        case .open(let call):
            "the sandbox is open: \(call) was not refused; "
                + "the kernel needs CONFIG_SECCOMP_FILTER, and nothing may hook system calls"
        }
    }
}
