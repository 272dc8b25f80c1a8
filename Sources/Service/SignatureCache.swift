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
    guard lstat(folder, &info) == 0, distrust(of: info) == nil else { return nil }
    return DatabaseCache(directory: folder)
}

/// Why a folder that somebody named keeps no compiled signatures.
public struct UnusableSignatureCache: Error {
    /// errno's text, or what is wrong with the folder.
    public let reason: String
}

/// A folder that somebody named, made where it is missing.
public func signatureCache(in folder: String) throws(UnusableSignatureCache) -> DatabaseCache {
    mkdir(folder, 0o700)
    var info = stat()
    // A link is followed: whoever named it knows it.
    guard stat(folder, &info) == 0 else {
        throw UnusableSignatureCache(reason: String(cString: strerror(errno)))
    }
    if let reason = distrust(of: info) { throw UnusableSignatureCache(reason: reason) }
    return DatabaseCache(directory: folder)
}

/// Why what stands in a folder is not believed; nil where it is.
private func distrust(of info: stat) -> String? {
    if info.st_mode & S_IFMT != S_IFDIR { return String(cString: strerror(ENOTDIR)) }
    if info.st_uid != geteuid() { return "it belongs to another user" }
    return info.st_mode & 0o022 == 0 ? nil : "others may write to it"
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
