// SPDX-License-Identifier: Apache-2.0
// Landlock with no rule at all: every right that this kernel knows is handled, and none is given. Out: the
// kernel's version of it, 0 where it has none.
import CProcess
import Glibc

/// The rights that came with a version of Landlock (linux/landlock.h).
private struct LandlockRights {
    var version: Int32
    var files: UInt64 = 0
    var network: UInt64 = 0
    var scopes: UInt64 = 0

    static let all = [
        // Execute, write, read, list, and the ten ways to make or remove.
        LandlockRights(version: 1, files: 0x1fff),
        // Link or move to another folder.
        LandlockRights(version: 2, files: 1 << 13),
        // Truncate.
        LandlockRights(version: 3, files: 1 << 14),
        // Bind and connect TCP.
        LandlockRights(version: 4, network: 3),
        // ioctl of devices.
        LandlockRights(version: 5, files: 1 << 15),
        // Abstract sockets and signals of others.
        LandlockRights(version: 6, scopes: 3),
    ]
}

/// - Returns: the kernel's version; 0 where Landlock is not built in or switched off at boot.
func forbidEverythingByLandlock() throws(SandboxError) -> UInt8 {
    let version = process_landlock_version()
    if version < 1 {
        let code = errno
        guard code == ENOSYS || code == EOPNOTSUPP else {
            throw .refused(layer: "landlock", operation: "ask for its version", errno: code)
        }
        return 0
    }
    var rules = process_landlock_rules()
    for rights in LandlockRights.all where rights.version <= version {
        rules.handled_access_fs |= rights.files
        rules.handled_access_net |= rights.network
        rules.scoped |= rights.scopes
    }
    // A kernel takes what it does not know only where it is not there at all.
    let words = version >= 6 ? 3 : version >= 4 ? 2 : 1
    let made = process_landlock_create(&rules, words * MemoryLayout<UInt64>.size)
    guard made >= 0 else {
        throw .refused(layer: "landlock", operation: "make an empty set of rules", errno: errno)
    }
    defer { close(made) }
    try require(.landlock, "bind this process") { process_landlock_restrict_self(made) }
    return UInt8(clamping: version)
}
