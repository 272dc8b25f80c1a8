// SPDX-License-Identifier: Apache-2.0
// Which of the privileges that loading and attaching need this process has.
import Glibc

/// The capabilities that the datapath needs (capabilities(7)).
public enum Capability: Int, CaseIterable, Sendable {
    case netAdmin = 12
    case perfmon = 38
    case bpf = 39

    public var name: String {
        switch self {
        case .netAdmin: "CAP_NET_ADMIN"
        case .perfmon: "CAP_PERFMON"
        case .bpf: "CAP_BPF"
        }
    }

    /// Those that this process does not have; CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
    public static func missing() -> [Capability] {
        let effective = effectiveSet()
        let isAdmin = effective >> 21 & 1 == 1
        return allCases.filter { capability in
            effective >> UInt64(capability.rawValue) & 1 == 0 && !(isAdmin && capability != .netAdmin)
        }
    }

    /// CapEff of /proc/self/status; 0 where it cannot be read.
    private static func effectiveSet() -> UInt64 {
        guard let text = try? readSmallFile("/proc/self/status") else { return 0 }
        let line = text.split(separator: "\n").first { $0.hasPrefix("CapEff:") }
        let digits = line?.split(whereSeparator: { $0 == "\t" || $0 == " " }).last ?? "0"
        return UInt64(digits, radix: 16) ?? 0
    }
}

/// A file of procfs or sysfs as text.
func readSmallFile(_ path: String) throws(KernelError) -> String {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw KernelError("read \(path)") }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16384)
    while true {
        let count = read(fd, &chunk, chunk.count)
        if count < 0 { throw KernelError("read \(path)") }
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}
