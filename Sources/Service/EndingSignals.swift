// SPDX-License-Identifier: Apache-2.0
// The signals that end a command which has to put something back first. In: signals. Out: which one came.
import Glibc
import InspectorProcess

/// SIGTERM, SIGINT and SIGHUP, held back as long as the process lives.
public struct EndingSignals {
    private let signals: SignalDescriptor

    public init() throws { signals = try SignalDescriptor([SIGTERM, SIGINT, SIGHUP]) }

    /// Becomes readable when one has come.
    public var descriptor: Int32 { signals.descriptor }

    /// The number of one that came; nil: none.
    public func next() -> Int32? { signals.next() }

    /// Ends the process as the signal would have ended it at once.
    public static func end(by number: Int32) -> Never {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, number)
        signal(number, SIG_DFL)
        raise(number)
        pthread_sigmask(SIG_UNBLOCK, &set, nil)
        exit(128 + number)
    }
}
