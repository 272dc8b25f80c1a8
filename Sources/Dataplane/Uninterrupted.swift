// SPDX-License-Identifier: Apache-2.0
// Changes that Ctrl-C must not cut in two.
import Glibc

/// Runs a change to its end: SIGINT, SIGTERM and SIGHUP wait for it, and act then. For programs of one
/// thread.
func uninterrupted<Result>(_ change: () throws -> Result) rethrows -> Result {
    var signals = sigset_t()
    var before = sigset_t()
    sigemptyset(&signals)
    for signal in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, signal) }
    pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try change()
}
