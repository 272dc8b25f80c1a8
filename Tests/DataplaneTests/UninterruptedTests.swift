// SPDX-License-Identifier: Apache-2.0
// Changes that signals must not cut in two.
import Glibc
import Testing

@testable import Dataplane

/// How often the handler below ran. Only this file's suite raises its signal.
private nonisolated(unsafe) var handled = 0

@Suite(.serialized) struct UninterruptedTests {
    private struct Refused: Error {}

    /// Runs a body while SIGHUP is counted.
    private func counting(_ body: () throws -> Void) rethrows {
        handled = 0
        var (action, before) = (sigaction(), sigaction())
        action.__sigaction_handler.sa_handler = { _ in handled += 1 }
        sigaction(SIGHUP, &action, &before)
        defer { sigaction(SIGHUP, &before, nil) }
        // Threads of a pool have signals blocked.
        var (wanted, mask) = (sigset_t(), sigset_t())
        sigemptyset(&wanted)
        sigaddset(&wanted, SIGHUP)
        pthread_sigmask(SIG_UNBLOCK, &wanted, &mask)
        defer { pthread_sigmask(SIG_SETMASK, &mask, nil) }
        try body()
    }

    @Test func `a signal waits for the change's end, and acts then`() {
        counting {
            let seen = uninterrupted {
                raise(SIGHUP)
                return handled
            }
            #expect(seen == 0)
            #expect(handled == 1)
        }
    }

    @Test func `a change that fails lets signals act as one that does not`() {
        counting {
            #expect(throws: Refused.self) {
                try uninterrupted {
                    raise(SIGHUP)
                    throw Refused()
                }
            }
            #expect(handled == 1)
            raise(SIGHUP)
            #expect(handled == 2)
        }
    }
}
