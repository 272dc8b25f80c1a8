// SPDX-License-Identifier: Apache-2.0
// What signatures remember, tested and changed: bits of flows and hosts, counters of flows.

import NetworkTypes
import Signatures

extension SignatureMatcher {
    func holds(_ test: StateTest, _ subject: Subject) -> Bool {
        switch test {
        case .bits(let names, .flow, let isNegated):
            guard let flow = subject.flow else { return false }
            let isTaken = subject.isTaken
            return names.contains { flow.hasBit(UInt32(clamping: $0), isTaken: isTaken) != isNegated }
        case .bits(let names, let scope, let isNegated):
            return names.contains { memory.hasBit($0, scope, subject.packet.pointee.header) != isNegated }
        case .integer(let name, let comparison, let operand):
            guard let value = subject.flow?.integer(UInt32(clamping: name)),
                let other = resolved(operand, subject)
            else { return false }
            return compare(value, comparison, other)
        case .integerIsSet(let name, let isNegated):
            guard let flow = subject.flow else { return false }
            return (flow.integer(UInt32(clamping: name)) != nil) != isNegated
        }
    }

    private func compare(_ value: UInt32, _ comparison: IntegerComparison, _ other: UInt32) -> Bool {
        switch comparison {
        case .less: value < other
        case .lessOrEqual: value <= other
        case .equal: value == other
        case .notEqual: value != other
        case .greaterOrEqual: value >= other
        case .greater: value > other
        }
    }

    private func resolved(_ operand: IntegerOperand, _ subject: Subject) -> UInt32? {
        switch operand {
        case .literal(let value): value
        case .integer(let name): subject.flow?.integer(UInt32(clamping: name))
        }
    }

    func make(_ change: StateChange, _ subject: Subject) {
        guard subject.isTaken else {
            if case .bit(.set, let name, .flow, _) = change {
                subject.flow?.setUntakenBit(UInt32(clamping: name))
            }
            return
        }
        switch change {
        case .bit(let operation, let name, .flow, _):
            guard let flow = subject.flow else { return }
            let bit = UInt32(clamping: name)
            switch operation {
            case .set: flow.setBit(bit)
            case .unset: flow.clearBit(bit)
            case .toggle: flow.hasBit(bit) ? flow.clearBit(bit) : flow.setBit(bit)
            }
        case .bit(let operation, let name, let scope, let seconds):
            let header = subject.packet.pointee.header
            let isSet = operation == .toggle && memory.hasBit(name, scope, header)
            if operation == .unset || isSet {
                memory.clearBit(name, scope, header)
            } else {
                memory.setBit(name, scope, header, seconds: seconds)
            }
        case .integer(let name, let operation, let operand):
            guard let flow = subject.flow, let operand = resolved(operand, subject) else { return }
            let number = UInt32(clamping: name)
            let value = flow.integer(number) ?? 0
            switch operation {
            case .set: flow.setInteger(number, to: operand)
            case .add: flow.setInteger(number, to: value > .max - operand ? .max : value + operand)
            case .subtract: flow.setInteger(number, to: value > operand ? value - operand : 0)
            }
        }
    }
}
