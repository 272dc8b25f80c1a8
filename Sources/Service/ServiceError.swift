// SPDX-License-Identifier: Apache-2.0
// A command that could not be done: what to print and how to exit.
import Dataplane
import Diagnostics
import MapCompiler

/// Exit codes of every command (sysexits.h's numbers).
public enum ExitStatus: Int32, Sendable {
    case done = 0
    /// A test, a proof or a denied finding failed.
    case failed = 1
    case usage = 64
    /// The policy or an input file is wrong.
    case wrongInput = 65
    case noInput = 66
    /// The kernel or the service cannot do it.
    case unavailable = 69
    /// A defect of xdpguard.
    case internalError = 70
    case tryAgain = 75
    case notPermitted = 77
}

/// Why a command ends without doing its work.
public struct ServiceError: Error, Sendable {
    public var status: ExitStatus
    /// Product text; diagnostics where a policy is wrong. Without the word "error" in front.
    public var message: String
    /// The message is whole lines of diagnostics, printed as they are.
    public var isDiagnostics: Bool

    public init(_ status: ExitStatus, _ message: String, isDiagnostics: Bool = false) {
        self.status = status
        self.message = message
        self.isDiagnostics = isDiagnostics
    }

    /// The errors of the layers below, with their exit codes.
    public init(wrapping error: any Error) {
        switch error {
        case let error as ServiceError: self = error
        case let error as KernelError:
            self.init(error.isPermission ? .notPermitted : .unavailable, error.description)
        case let error as DatapathBusy: self.init(.tryAgain, error.description)
        case let error as CompileError:
            self.init(.unavailable, error.diagnostics.map { $0.rendered() }.joined(), isDiagnostics: true)
        default: self.init(.internalError, "\(error)")
        }
    }
}

/// Throws unless this process has the capabilities that the datapath needs.
public func requirePrivileges(for command: String) throws {
    let missing = Capability.missing()
    guard !missing.isEmpty else { return }
    let names = missing.map(\.name).joined(separator: ", ")
    throw ServiceError(.notPermitted, "\(command) is not permitted: missing \(names); run it as root")
}
