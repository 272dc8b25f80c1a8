// SPDX-License-Identifier: Apache-2.0
// Whether tests that need root and BPF are to run: always, unless the environment says that they cannot.
import Glibc

public enum KernelTests {
    /// False only with XDPGUARD_TEST_UNPRIVILEGED=1; without it, tests that cannot run fail.
    public static let areWanted = getenv("XDPGUARD_TEST_UNPRIVILEGED").map { String(cString: $0) } != "1"
}
