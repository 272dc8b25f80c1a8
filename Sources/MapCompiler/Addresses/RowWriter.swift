// SPDX-License-Identifier: Apache-2.0
// Rows as the program reads them, each written once.
import GuardABI

/// Writes rows into address memory and tells where a row stands.
struct RowWriter {
    private let memory: AddressMemory
    private var offsets: [[UInt64]: UInt32] = [:]

    init(memory: AddressMemory) { self.memory = memory }

    /// - Parameter words: the head, then the words of the rules.
    mutating func offset(of words: [UInt64]) -> UInt32 {
        if let known = offsets[words] { return known }
        var summary: UInt64 = 0
        for (number, word) in words.dropFirst().prefix(64).enumerated() where word != 0 {
            summary |= 1 << UInt64(number)
        }
        let at = UInt32(memory.append([words[0], summary] + words.dropFirst()))
        offsets[words] = at
        return at
    }
}
