// SPDX-License-Identifier: Apache-2.0
// Settings below /proc/sys/net: those of this process's network namespace.
import Glibc

/// A sysctl of whole numbers, as in net.ipv4.tcp_syncookies.
struct NetworkSetting: Sendable {
    let name: String

    static let syncookies = NetworkSetting(name: "net.ipv4.tcp_syncookies")
    static let timestamps = NetworkSetting(name: "net.ipv4.tcp_timestamps")
    static let sack = NetworkSetting(name: "net.ipv4.tcp_sack")
    static let windowScaling = NetworkSetting(name: "net.ipv4.tcp_window_scaling")
    /// Least, initial and most bytes of a receive buffer.
    static let receiveBuffers = NetworkSetting(name: "net.ipv4.tcp_rmem")
    static let mostReceiveBuffer = NetworkSetting(name: "net.core.rmem_max")

    private var path: String { "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 }) }

    /// Its numbers; empty where the kernel does not have it.
    var values: [UInt32] {
        guard let file = fopen(path, "re") else { return [] }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, Int32(line.count), file) != nil else { return [] }
        let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return text.split { $0 == " " || $0 == "\t" || $0 == "\n" }.compactMap { UInt32($0) }
    }

    var value: UInt32? { values.first }

    func set(_ value: UInt32) throws {
        guard let file = fopen(path, "we") else { throw refused() }
        let isWritten = fputs("\(value)\n", file) >= 0
        guard fclose(file) == 0, isWritten else { throw refused() }
    }

    private func refused() -> ServiceError {
        let why = String(cString: strerror(errno))
        return ServiceError(
            .unavailable,
            "cannot set \(name): \(why); set it by hand where it can be set, and apply again")
    }
}
