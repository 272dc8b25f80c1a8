// SPDX-License-Identifier: Apache-2.0
// Compiled programs that are part of this binary. In: the text that the build made of one. Out: its bytes,
// and libbpf's object of it.
import CBPF
import Foundation
import Glibc

/// - Parameter what: as in "clock program", for messages.
func decodeEmbedded(_ base64: String, _ what: String) throws(KernelError) -> Data {
    guard let elf = Data(base64Encoded: base64) else {
        throw KernelError("decode the embedded \(what)", code: EINVAL)
    }
    return elf
}

/// Opens an embedded object; what libbpf says from here on is in `LogBuffer`. The caller closes it.
func openEmbedded(_ base64: String, _ what: String) throws(KernelError) -> OpaquePointer {
    libbpf_set_print(captureLog)
    LogBuffer.shared.reset()
    let elf = try decodeEmbedded(base64, what)
    let opened = elf.withUnsafeBytes { bpf_object__open_mem($0.baseAddress, $0.count, nil) }
    guard let opened else { throw KernelError("open the \(what)", log: LogBuffer.shared.text) }
    return opened
}

/// Loads an opened object.
func loadEmbedded(_ object: OpaquePointer, _ what: String) throws(KernelError) {
    let result = bpf_object__load(object)
    if result < 0 { throw KernelError("load the \(what)", code: -result, log: LogBuffer.shared.text) }
}
