// SPDX-License-Identifier: Apache-2.0
// Bringing the egress program of a generation to its interfaces: all of them, or none. It comes before the
// XDP program, so that no reply comes in to what was not learnt, and goes after it.
import CBPF
import Glibc

struct EgressChange {
    /// Nil where the policy follows no connections and inspects nothing.
    private let object: EgressObject?
    /// Without it replies would be dropped; else only what is inspected of them is missing.
    private let isRequired: Bool
    private(set) var remarks: [String] = []
    private let pins: PinDirectory
    private var created: [EgressLink] = []
    private var replaced: [EgressLink] = []
    /// The program that was replaced.
    private var old: FileDescriptor?

    init(_ generation: GuardObject, _ pins: PinDirectory) throws(KernelError) {
        object = try EgressObject.beside(generation)
        isRequired = generation.config.followsConnections
        self.pins = pins
    }

    /// Whether there are interfaces on which nothing was learnt until now.
    var isNewSomewhere: Bool { !created.isEmpty }

    mutating func bring(to interfaces: [NetworkInterface]) throws(KernelError) {
        guard let object else { return }
        old = try FileDescriptor.pinned(pins.egressProgram)
        for interface in interfaces {
            if let link = try EgressLink.pinned(interface, in: pins) {
                try link.replace(with: object.program, in: pins)
                replaced.append(link)
            } else {
                try attach(object, to: interface)
            }
        }
        unlink(Self.next(pins.egressProgram))
        try check(
            bpf_obj_pin(object.program, Self.next(pins.egressProgram)), "pin the egress program")
    }

    private mutating func attach(
        _ object: EgressObject, to interface: NetworkInterface
    ) throws(KernelError) {
        do throws(KernelError) {
            created.append(try .attach(object.program, to: interface, in: pins))
        } catch {
            if isRequired { throw error }
            remarks.append(
                "replies on \(interface.name) are neither inspected nor dropped with their flow: \(error)")
        }
    }

    /// Once the XDP program is everywhere: what was the old policy's goes.
    func finish(on interfaces: [NetworkInterface]) throws(KernelError) {
        if object != nil {
            rename(Self.next(pins.egressProgram), pins.egressProgram)
        } else {
            unlink(pins.egressProgram)
            // Of an apply that died.
            unlink(Self.next(pins.egressProgram))
        }
        let kept = object == nil ? [] : Set(interfaces.map(\.index))
        try Self.removeLinks(pins) { !kept.contains($0) }
    }

    /// Puts everything back.
    /// - Returns: what could not be.
    func undo() -> [KernelError] {
        for link in created { link.remove(pins) }
        var failures: [KernelError] = []
        for link in replaced {
            guard let old else { continue }
            do {
                try link.replace(with: old.raw, in: pins)
            } catch {
                failures.append(error)
            }
        }
        unlink(Self.next(pins.egressProgram))
        return failures
    }

    /// Takes the program off the interfaces that are chosen by index, and the pins of those that are gone.
    static func removeLinks(_ pins: PinDirectory, where isChosen: (UInt32) -> Bool) throws(KernelError) {
        let chosen = pins.egressIndexes().filter(isChosen)
        // Without the interfaces pins stay: a filter whose pin has gone would not be found again.
        let interfaces = chosen.isEmpty ? [] : try NetworkInterface.all()
        for index in chosen {
            if let interface = interfaces.first(where: { $0.index == index }),
                let link = try EgressLink.pinned(interface, in: pins)
            {
                link.remove(pins)
            }
            unlink(pins.egressLink(index))
            unlink(pins.egressFilter(index))
        }
    }

    private static func next(_ path: String) -> String { path + "-next" }
}
