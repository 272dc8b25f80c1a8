// SPDX-License-Identifier: Apache-2.0
// Our place in libxdp's dispatcher, beside the XDP programs of others: found, taken and given back. What is
// in the dispatcher is never replaced; a swap is an update of the program array that it calls through.
import CBPF
import Glibc

/// libxdp's dispatcher on an interface.
final class Dispatcher {
    /// The kernel's name of it, of every version of libxdp.
    static let programName = "xdp_dispatcher"
    private let handle: OpaquePointer

    /// Nil where no dispatcher is on the interface: no XDP program, or one that has it for itself.
    init?(of interface: NetworkInterface) throws(KernelError) {
        guard try interface.attachedProgram() != nil else { return nil }
        libxdp_set_print(captureDispatcherLog)
        guard let found = xdp_multiprog__get_from_ifindex(Int32(interface.index)),
            libxdp_get_error(UnsafeRawPointer(found)) == 0
        else { return nil }
        guard !xdp_multiprog__is_legacy(found) else {
            xdp_multiprog__close(found)
            return nil
        }
        handle = found
    }

    deinit { xdp_multiprog__close(handle) }

    var mode: xdp_attach_mode { xdp_multiprog__attach_mode(handle) }

    /// Whether a program stands in it.
    func contains(_ program: UInt32) -> Bool {
        var next = xdp_multiprog__next_prog(nil, handle)
        while let member = next {
            if xdp_program__id(member) == program { return true }
            next = xdp_multiprog__next_prog(member, handle)
        }
        return false
    }
}

/// Our entry in the dispatcher of an interface. It is pinned, so that the next process knows it.
struct SharedEntry {
    private let interface: NetworkInterface
    private let program: FileDescriptor

    /// The entry pinned for an interface; nil where there is none or where it stands in no dispatcher there.
    static func pinned(
        _ interface: NetworkInterface, in pins: PinDirectory
    ) throws(KernelError) -> SharedEntry? {
        guard let program = try FileDescriptor.pinned(pins.entry(interface.index)),
            let dispatcher = try Dispatcher(of: interface),
            dispatcher.contains(try programID(program))
        else { return nil }
        return SharedEntry(interface: interface, program: program)
    }

    /// Puts an entry into the dispatcher of an interface, or makes one; native where the driver can, and in
    /// the mode of the dispatcher that is there.
    static func attach(
        to interface: NetworkInterface, switching array: FileDescriptor, pins: PinDirectory
    ) throws(KernelError) -> SharedEntry {
        do throws(KernelError) {
            return try attachOnce(to: interface, switching: array, pins: pins)
        } catch  where error.code != EINVAL {
            rmdir(libraryPins)
            throw error
        } catch {
            // Refused by the verifier: once more in a dispatcher that newer kernels want.
        }
        do throws(KernelError) {
            let dispatcher = try DispatcherObject()
            defer { withExtendedLifetime(dispatcher) {} }
            return try attachOnce(to: interface, switching: array, pins: pins)
        } catch {
            rmdir(libraryPins)
            throw error
        }
    }

    private static func attachOnce(
        to interface: NetworkInterface, switching array: FileDescriptor, pins: PinDirectory
    ) throws(KernelError) -> SharedEntry {
        let object = try EntryObject(switching: array)
        libxdp_set_print(captureDispatcherLog)
        guard let handle = xdp_program__from_bpf_obj(object.object, "xdp.frags"),
            libxdp_get_error(UnsafeRawPointer(handle)) == 0
        else { throw refused(interface, errno) }
        defer { xdp_program__close(handle) }
        // The dispatcher takes frames of several buffers where all that is in it does.
        xdp_program__set_xdp_frags_support(handle, true)
        var modes = [XDP_MODE_NATIVE, XDP_MODE_SKB]
        if let dispatcher = try Dispatcher(of: interface) { modes = [dispatcher.mode] }
        var result: Int32 = 0
        for mode in modes {
            result = xdp_program__attach(handle, Int32(interface.index), mode, 0)
            // Only the driver's refusal asks for the other mode; a refused program is refused in both.
            if result != -EOPNOTSUPP { break }
        }
        guard result == 0 else { throw refused(interface, -result) }
        return try keep(handle, interface, pins)
    }

    /// Pins what was attached; detaches it where it is not what was asked for.
    private static func keep(
        _ handle: OpaquePointer, _ interface: NetworkInterface, _ pins: PinDirectory
    ) throws(KernelError) -> SharedEntry {
        let program = FileDescriptor(owning: dup(xdp_program__fd(handle)))
        let entry = SharedEntry(interface: interface, program: program)
        do throws(KernelError) {
            // libxdp may attach a program on its own where it cannot make a dispatcher; that is not shared.
            guard try Dispatcher(of: interface)?.contains(programID(program)) == true else {
                throw refused(interface, EOPNOTSUPP)
            }
            unlink(pins.entry(interface.index))
            try check(
                bpf_obj_pin(program.raw, pins.entry(interface.index)), "pin the entry of \(interface.name)")
        } catch {
            try? entry.detach()
            throw error
        }
        return entry
    }

    /// Takes the entry out; what else is in the dispatcher goes on, and with nothing else in it the
    /// dispatcher goes.
    func detach() throws(KernelError) {
        defer { rmdir(Self.libraryPins) }
        let id = try programID(program)
        let mode = try Dispatcher(of: interface)?.mode ?? XDP_MODE_UNSPEC
        guard let handle = xdp_program__from_fd(program.raw),
            libxdp_get_error(UnsafeRawPointer(handle)) == 0
        else { throw KernelError("open our program \(id) in the dispatcher of \(interface.name)") }
        defer { xdp_program__close(handle) }
        LogBuffer.shared.reset()
        var result = xdp_program__detach(handle, Int32(interface.index), mode, 0)
        if result == -EINVAL {
            let object = try DispatcherObject()
            result = xdp_program__detach(handle, Int32(interface.index), mode, 0)
            withExtendedLifetime(object) {}
        }
        guard result < 0 else { return }
        throw KernelError(
            "take our program out of the dispatcher of \(interface.name)", code: -result,
            log: LogBuffer.shared.text)
    }

    /// Takes an entry out that was put in just now, its pin too.
    func undo(_ pins: PinDirectory) throws(KernelError) {
        try detach()
        unlink(pins.entry(interface.index))
    }

    /// Removes what libxdp pinned for an interface that is gone.
    static func clean(after index: UInt32) {
        libxdp_set_print(captureDispatcherLog)
        _ = libxdp_clean_references(Int32(index))
        rmdir(libraryPins)
    }

    /// Where libxdp pins dispatchers; removed only when nothing is in it.
    static let libraryPins = PinDirectory.bpffs + "/xdp"

    private static func refused(_ interface: NetworkInterface, _ code: Int32) -> KernelError {
        var help = ""
        switch code {
        case ENOENT: help = "libxdp finds no xdp-dispatcher.o: install the package libxdp1"
        case EBUSY, EEXIST: help = "another program came to the interface meanwhile: try again"
        case E2BIG: help = "the dispatcher is full: it takes ten programs"
        default: break
        }
        return KernelError(
            "attach to \(interface.name) beside other XDP programs", code: code, help: help,
            log: LogBuffer.shared.text)
    }
}

/// The program array through which all entries of an instance call the running generation.
struct GenerationSwitch {
    let array: FileDescriptor
    /// Made now: to be removed again where the change fails.
    let isNew: Bool

    static func open(_ pins: PinDirectory) throws(KernelError) -> GenerationSwitch {
        if let array = try FileDescriptor.pinned(pins.current) {
            return GenerationSwitch(array: array, isNew: false)
        }
        let fd = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "guard_current", 4, 4, 1, nil)
        let array = FileDescriptor(owning: try check(fd, "make the array of programs"))
        try check(bpf_obj_pin(array.raw, pins.current), "pin the array of programs")
        return GenerationSwitch(array: array, isNew: true)
    }

    /// Makes a generation the one that all entries call, between two packets.
    func set(_ program: Int32) throws(KernelError) {
        var zero: UInt32 = 0
        var program = program
        try check(bpf_map_update_elem(array.raw, &zero, &program, 0), "swap the shared program")
    }
}

private let captureDispatcherLog: libxdp_print_fn_t = { level, format, arguments in
    guard level != LIBXDP_DEBUG else { return 0 }
    return captureLog(level == LIBXDP_WARN ? LIBBPF_WARN : LIBBPF_INFO, format, arguments)
}
