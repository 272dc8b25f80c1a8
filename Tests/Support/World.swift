// SPDX-License-Identifier: Apache-2.0
// The small world that random policies and frames share, so that frames often stand on a rule's boundaries.
import Diagnostics

/// Addresses, ports and interfaces of random policies and frames.
public enum World {
    public static let v4: [UInt32] = [
        0xc000_0201, 0xc000_0202, 0xc000_02ff, 0xc633_6401, 0xcb00_7101, 0xcb00_7180,
    ]
    public static let v6: [UInt128] = [1, 2, 0xffff, 1 << 64, (1 << 64) + 1].map { (0x2001_0db8 << 96) + $0 }
    public static let ports: [UInt16] = [0, 22, 53, 67, 68, 80, 443, 65535]
    public static let interfaces = ["veth0", "veth1", "lo", "uplink"]
    public static let range = SourceRange(SourceText(path: "random.conf", text: "random\n"), 0, 6)
}
