// SPDX-License-Identifier: Apache-2.0
// Numbers read from a buffer: byte_test, byte_jump, byte_extract and byte_math.

/// How a number stands in the buffer. Fewer bytes than asked for: the inspection fails.
public struct NumberField: Hashable, Sendable {
    /// Bases of numbers written in text.
    public enum Text: Int, Sendable { case octal = 8, decimal = 10, hexadecimal = 16 }

    /// Bytes read: 1 to 8 binary; 1 to 23 as text, 0 all digits that there are (at most 23). Binary 0
    /// (`byte_jump` only) reads nothing, and the number is 0.
    public internal(set) var count: Operand
    /// From the start of the buffer, or from the position; may be negative where relative.
    public internal(set) var offset: Operand
    public internal(set) var isRelative = false
    public internal(set) var isLittleEndian = false
    /// nil: binary. Leading blanks and trailing other characters are passed over, as strtoull does.
    public internal(set) var text: Text?
    /// The number read is ANDed with it and shifted right by its trailing zeros.
    public internal(set) var bitmask: UInt64?

    init(count: Operand, offset: Operand) {
        self.count = count
        self.offset = offset
    }
}

/// `byte_test`: compares; moves nothing.
public struct ByteTest: Hashable, Sendable {
    public enum Comparison: String, Sendable {
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
        case equal = "="
        /// The AND of both is not 0.
        case and = "&"
        /// The bitwise OR, exclusive: the XOR of both is not 0.
        case xor = "^"
    }

    public internal(set) var field: NumberField
    public internal(set) var comparison: Comparison
    public internal(set) var isNegated = false
    public internal(set) var value: Operand
}

/// `byte_jump`: moves the position by the number read.
public struct ByteJump: Hashable, Sendable {
    /// From where the jump counts.
    public enum Origin: Sendable {
        /// Behind the field.
        case field
        /// `from_beginning`
        case bufferStart
        /// `from_end`
        case bufferEnd
    }

    public internal(set) var field: NumberField
    public internal(set) var origin = Origin.field
    /// The number read is multiplied by it: 1 to 65535.
    public internal(set) var multiplier: Int64 = 1
    /// The jump is rounded up to a multiple of 4.
    public internal(set) var isAligned = false
    /// Added to the position after the jump.
    public internal(set) var postOffset = Operand.literal(0)
}

/// `byte_extract`: keeps the number read in a slot; the position moves behind the field.
public struct ByteExtract: Hashable, Sendable {
    public internal(set) var field: NumberField
    /// Slot that it fills, from 0.
    public internal(set) var slot: Int
    public internal(set) var multiplier: Int64 = 1
    /// 2 or 4: the position behind the field is rounded up to a multiple of it.
    public internal(set) var alignment: Int?
}

/// `byte_math`: keeps the result of an operation in a slot; the position moves behind the field.
public struct ByteMath: Hashable, Sendable {
    public enum Operation: String, Sendable {
        case add = "+"
        case subtract = "-"
        case multiply = "*"
        /// By 0: the inspection fails.
        case divide = "/"
        case shiftLeft = "<<"
        case shiftRight = ">>"
    }

    public internal(set) var field: NumberField
    public internal(set) var operation: Operation
    public internal(set) var value: Operand
    public internal(set) var slot: Int
}
