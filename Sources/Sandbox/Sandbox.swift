// SPDX-License-Identifier: Apache-2.0
// The way into the sandbox: one process, one thread, privileged or not, in; the same process without files,
// network, other processes and privileges out. The order matters: the bounding set goes while the process may
// still change it, Landlock and the filter come when nothing else is left to set up.
import CProcess
import Glibc

/// Confines this process for the rest of its life: what is open in `request.descriptors` and its memory is
/// all that it has. Everything that needs files, other descriptors, threads or executable memory (compiled
/// patterns) must be there before.
/// - Throws: `SandboxError`; the process must end then.
@discardableResult
public func enterSandbox(_ request: SandboxRequest) throws(SandboxError) -> SandboxStatus {
    let status = try enterSandbox(request, layers: Set(SandboxLayer.allCases))
    if let call = SandboxProbe.allCases.first(where: { !$0.isRefused }) {
        throw .open(call.rawValue)
    }
    return status
}

/// Takes only some layers, so that tests see what each of them holds without the others.
package func enterSandbox(
    _ request: SandboxRequest, layers: Set<SandboxLayer>
) throws(SandboxError) -> SandboxStatus {
    try requireOneThread()
    if layers.contains(.descriptors) { try closeDescriptors(except: request.descriptors) }
    if layers.contains(.privileges) { try dropPrivileges(becoming: request.user) }
    // Landlock and the filter are for processes that cannot get privileges back.
    try require(.privileges, "give up new privileges") { process_prctl(PR_SET_NO_NEW_PRIVS, 1) }
    let version = layers.contains(.landlock) ? try forbidEverythingByLandlock() : 0
    // Landlock needs a descriptor for a moment.
    if layers.contains(.limits) { try limitResources(request) }
    if layers.contains(.filter) { try filterSystemCalls() }
    return SandboxStatus(landlockVersion: version)
}

private func requireOneThread() throws(SandboxError) {
    guard let folder = opendir("/proc/self/task") else { throw .unknownThreads(errno: errno) }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    // "." and ".." are not threads.
    guard count == 3 else { throw .severalThreads(count - 2) }
}

private func closeDescriptors(except kept: [Int32]) throws(SandboxError) {
    var first: UInt32 = 0
    for descriptor in Set(kept.filter { $0 >= 0 }).sorted() {
        let next = UInt32(descriptor)
        if next > first { try close(from: first, to: next - 1) }
        first = next + 1
    }
    try close(from: first, to: .max)
}

private func close(from first: UInt32, to last: UInt32) throws(SandboxError) {
    try require(.descriptors, "close descriptors \(first) and up") { process_close_range(first, last) }
}

private func dropPrivileges(becoming user: UInt32?) throws(SandboxError) {
    if let user {
        try dropBoundingSet()
        try require(.privileges, "leave all groups") { setgroups(0, nil) }
        try require(.privileges, "become group \(user)") { setresgid(user, user, user) }
        try require(.privileges, "become user \(user)") { setresuid(user, user, user) }
    }
    try require(.privileges, "drop capabilities") { process_drop_capabilities() }
    // Nobody else of that user may look into this process, and it leaves no image of what it read.
    try require(.privileges, "forbid tracing") { process_prctl(PR_SET_DUMPABLE, 0) }
    // A change of the user clears this one: it comes behind that.
    try require(.privileges, "end with the parent") { process_prctl(PR_SET_PDEATHSIG, UInt(SIGKILL)) }
}

/// What no program started later can have, were there one.
private func dropBoundingSet() throws(SandboxError) {
    // The kernel knows 41 capabilities or a few more: the first number that it does not know ends them.
    for capability in UInt(0)..<64 {
        if process_prctl(PR_CAPBSET_READ, capability) < 0 { return }
        try require(.privileges, "drop capability \(capability)") {
            process_prctl(PR_CAPBSET_DROP, capability)
        }
    }
}

private func limitResources(_ request: SandboxRequest) throws(SandboxError) {
    let descriptors = UInt64((request.descriptors.max() ?? 2) + 1)
    let limits: [(String, __rlimit_resource, UInt64)] = [
        ("memory", RLIMIT_AS, request.memoryBytes), ("core dumps", RLIMIT_CORE, 0),
        ("processes", __RLIMIT_NPROC, 0), ("descriptors", RLIMIT_NOFILE, descriptors),
    ]
    for (name, kind, most) in limits {
        let resource = __rlimit_resource_t(kind.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else {
            throw .refused(layer: "limits", operation: "ask for the limit of \(name)", errno: errno)
        }
        let value = min(rlim_t(most), limit.rlim_max)
        limit = rlimit(rlim_cur: value, rlim_max: value)
        try require(.limits, "limit \(name) to \(value)") { setrlimit(resource, &limit) }
    }
}

/// Calls the kernel; -1 is its refusal.
func require(
    _ layer: SandboxLayer, _ operation: @autoclosure () -> String, _ call: () -> Int32
) throws(SandboxError) {
    guard call() < 0 else { return }
    let code = errno
    throw .refused(layer: layer.rawValue, operation: operation(), errno: code)
}

/// The kernel's words for an errno.
func errorText(_ code: Int32) -> String {
    String(cString: strerror(code))
}
