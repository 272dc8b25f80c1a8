// SPDX-License-Identifier: Apache-2.0
// Where compiled signatures are kept from one start to the next. In: who asks. Out: a folder that is theirs
// alone, or none.
import Glibc
import SignatureMatching

/// `$XDG_CACHE_HOME/xdpguard` where that is set, else `/var/cache/xdpguard` for root and
/// `~/.cache/xdpguard` for others; made where it is missing. Nil where it cannot be had, or where others
/// could write to it: compiled signatures are believed.
public func signatureCache() -> DatabaseCache? {
    guard let folder = cacheFolder() else { return nil }
    mkdir(folder, 0o700)
    var info = stat()
    guard lstat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR, info.st_uid == geteuid(),
        info.st_mode & 0o022 == 0
    else { return nil }
    return DatabaseCache(directory: folder)
}

private func cacheFolder() -> String? {
    if let home = environment("XDG_CACHE_HOME") { return home + "/xdpguard" }
    if geteuid() == 0 { return "/var/cache/xdpguard" }
    guard let home = environment("HOME") else { return nil }
    mkdir(home + "/.cache", 0o700)
    return home + "/.cache/xdpguard"
}

/// An absolute path from the environment; others are to be ignored (XDG Base Directory Specification).
private func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    let text = String(cString: value)
    return text.hasPrefix("/") ? text : nil
}
