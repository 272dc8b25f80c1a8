// SPDX-License-Identifier: Apache-2.0
// The interfaces of this network namespace, their XDP programs and this host's addresses.
import CBPF
import Glibc
import NetworkTypes

/// How a program is attached: in the driver, behind it in the stack, or in a dispatcher beside others.
public enum AttachMode: String, Sendable { case native, generic, shared }

/// An interface as the kernel knows it now.
public struct NetworkInterface: Sendable, Hashable {
    public let name: String
    public let index: UInt32
    public let isUp: Bool
    /// Its frames begin with an Ethernet header (also loopback's); others would be read wrongly.
    public let isEthernet: Bool

    /// All interfaces of this network namespace, by index.
    public static func all() throws(KernelError) -> [NetworkInterface] {
        guard let list = if_nameindex() else { throw KernelError("list the network interfaces") }
        defer { if_freenameindex(list) }
        var found: [NetworkInterface] = []
        var entry = list
        while entry.pointee.if_index != 0, let name = entry.pointee.if_name {
            let text = String(cString: name)
            found.append(
                NetworkInterface(
                    name: text, index: entry.pointee.if_index, isUp: flagsAreUp(text),
                    isEthernet: hasEthernetHeader(text)))
            entry += 1
        }
        return found.sorted { $0.index < $1.index }
    }

    /// IFF_UP by SIOCGIFFLAGS: sysfs may show another namespace's interfaces.
    private static func flagsAreUp(_ name: String) -> Bool {
        guard let answer = ask(name, UInt(SIOCGIFFLAGS)) else { return false }
        return answer.ifr_ifru.ifru_flags & Int16(truncatingIfNeeded: IFF_UP) != 0
    }

    /// ARPHRD_ETHER or ARPHRD_LOOPBACK by SIOCGIFHWADDR.
    private static func hasEthernetHeader(_ name: String) -> Bool {
        guard let answer = ask(name, UInt(SIOCGIFHWADDR)) else { return false }
        let type = Int32(answer.ifr_ifru.ifru_hwaddr.sa_family)
        return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK
    }

    /// An interface ioctl (netdevice(7)); nil where it fails.
    private static func ask(_ name: String, _ request: UInt) -> ifreq? {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var value = ifreq()
        withUnsafeMutableBytes(of: &value.ifr_ifrn) { $0.copyBytes(from: name.utf8.prefix(15)) }
        return ioctl(fd, request, &value) == 0 ? value : nil
    }

    /// The XDP program on the interface and how it is attached; nil where there is none.
    public func attachedProgram() throws(KernelError) -> (id: UInt32, mode: AttachMode)? {
        var options = bpf_xdp_query_opts()
        options.sz = optionsSize(upTo: \bpf_xdp_query_opts.attach_mode)
        try check(bpf_xdp_query(Int32(index), 0, &options), "ask for the XDP program of \(name)")
        if options.drv_prog_id != 0 { return (options.drv_prog_id, .native) }
        if options.hw_prog_id != 0 { return (options.hw_prog_id, .native) }
        if options.skb_prog_id != 0 { return (options.skb_prog_id, .generic) }
        return nil
    }
}

/// This host's addresses on all interfaces of this network namespace; 127.0.0.0/8 and ::1 are left out.
public func hostAddresses() throws(KernelError) -> [IPAddress] {
    let all = Set(try interfaceAddresses().map(\.address))
    return all.filter { $0.v4Bits.map { $0 >> 24 != 127 } ?? ($0.bits != 1) }.sorted()
}

/// The directed broadcast addresses of this host's IPv4 networks, as its own stack takes them: the last
/// address of each of at most 30 bits, and what an address is given as broadcast.
public func hostBroadcasts() throws(KernelError) -> [IPAddress] {
    Set(try interfaceAddresses().flatMap(\.broadcasts)).sorted()
}

/// The interface that has an address of this host; nil where none has it.
public func interfaceName(of address: IPAddress) throws(KernelError) -> String? {
    try interfaceAddresses().first { $0.address == address }?.interface
}

private struct InterfaceAddress {
    var interface: String
    var address: IPAddress
    var mask: IPAddress?
    /// As it was given; of an interface without broadcast nil.
    var broadcast: IPAddress?

    var broadcasts: [IPAddress] {
        guard let bits = address.v4Bits, bits >> 24 != 127 else { return [] }
        var found = [broadcast?.v4Bits].compactMap { $0 }
        if let mask = mask?.v4Bits, mask != 0, mask.nonzeroBitCount <= 30 { found.append(bits | ~mask) }
        return found.filter { $0 != bits && $0 != .max }.map { IPAddress(v4: $0) }
    }
}

private func interfaceAddresses() throws(KernelError) -> [InterfaceAddress] {
    var list: UnsafeMutablePointer<ifaddrs>?
    guard getifaddrs(&list) == 0 else { throw KernelError("list this host's addresses") }
    defer { freeifaddrs(list) }
    var found: [InterfaceAddress] = []
    var next = list
    while let entry = next {
        next = entry.pointee.ifa_next
        guard let address = entry.pointee.ifa_addr, let value = IPAddress(address) else { continue }
        guard let name = entry.pointee.ifa_name else { continue }
        let hasBroadcast = entry.pointee.ifa_flags & UInt32(IFF_BROADCAST) != 0
        found.append(
            InterfaceAddress(
                interface: String(cString: name), address: value,
                mask: entry.pointee.ifa_netmask.flatMap { IPAddress($0) },
                broadcast: hasBroadcast ? entry.pointee.ifa_ifu.ifu_broadaddr.flatMap { IPAddress($0) } : nil)
        )
    }
    return found
}

extension IPAddress {
    /// The address of a socket address; nil for families other than IPv4 and IPv6.
    init?(_ address: UnsafePointer<sockaddr>) {
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            let bits = raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self)
            self.init(v4: UInt32(bigEndian: bits))
        case AF_INET6:
            let bits = raw.loadUnaligned(fromByteOffset: 8, as: UInt128.self)
            self.init(v6: UInt128(bigEndian: bits))
        default:
            return nil
        }
    }
}
