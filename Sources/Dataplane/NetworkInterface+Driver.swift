// SPDX-License-Identifier: Apache-2.0
// What a driver says of its interface (linux/ethtool.h): its name, and what it hides from XDP.
import CBPF
import Glibc

extension NetworkInterface {
    /// The interface of a name; nil where this network namespace has none.
    public init?(named name: String) {
        guard let found = try? NetworkInterface.all().first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// Packets come to it through other interfaces, where XDP sees them first: a bridge, a bond, a VLAN.
    /// True too where the driver does not say what it is.
    public var isStacked: Bool {
        let virtual = ["802.1Q VLAN Support", "macvlan", "ipvlan", "dummy", "vrf"]
        let stacked = Set(virtual + ["bridge", "bonding", "team", "openvswitch"])
        guard let driver else { return true }
        return stacked.contains(driver)
    }

    /// Packets may come with checksums that their sender left to its interface, which there is none of: their
    /// receivers on this host take them all the same. True too where the driver does not say what it is.
    public var leavesChecksums: Bool {
        guard let driver else { return true }
        return isStacked || ["veth", "virtio_net", "tun", "vif", "hv_netvsc", "vmxnet3"].contains(driver)
    }

    /// As in "veth"; nil where it does not say.
    private var driver: String? {
        var info = ethtool_drvinfo()
        info.cmd = UInt32(ETHTOOL_GDRVINFO)
        guard ask(&info) else { return nil }
        return withUnsafeBytes(of: info.driver) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    /// Whether the driver takes VLAN tags out of frames before XDP sees them (rx-vlan-offload).
    public var hidesTags: Bool {
        var flags = ethtool_value()
        flags.cmd = UInt32(ETHTOOL_GFLAGS)
        return ask(&flags) && flags.data & UInt32(ETH_FLAG_RXVLAN.rawValue) != 0
    }

    /// VLAN interfaces of this network namespace stand on it, or nobody can tell.
    public var carriesVLANs: Bool {
        do throws(KernelError) {
            return devicesWithVLANs(in: try readSmallFile("/proc/thread-self/net/vlan/config")).contains(name)
        } catch {
            // A kernel without VLANs, or none made yet. What cannot be read may have some.
            return error.code != ENOENT
        }
    }

    private func ask<Command>(_ command: inout Command) -> Bool {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return false }
        defer { close(fd) }
        var request = ifreq()
        withUnsafeMutableBytes(of: &request.ifr_ifrn) { $0.copyBytes(from: name.utf8.prefix(15)) }
        return withUnsafeMutablePointer(to: &command) { pointer in
            request.ifr_ifru.ifru_data = UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: CChar.self)
            return ioctl(fd, UInt(SIOCETHTOOL), &request) == 0
        }
    }
}

/// The devices that VLAN interfaces stand on, as /proc/net/vlan/config has them: "uplink.5 | 5 | uplink".
func devicesWithVLANs(in table: String) -> Set<String> {
    let devices = table.split(separator: "\n").compactMap { line -> String? in
        let fields = line.split(separator: "|")
        guard fields.count == 3 else { return nil }
        return String(fields[2].drop { $0 == " " }.prefix { $0 != " " })
    }
    return Set(devices)
}
