// SPDX-License-Identifier: Apache-2.0
// The kernel's list of VLAN interfaces, read: which devices they stand on.
import Testing

@testable import Dataplane

@Test func `devices that VLAN interfaces stand on are read, and other lines left out`() {
    let table = """
        VLAN Dev name    | VLAN ID
        Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD
        uplink.5       | 5  | uplink
        management     | 4094  | eth1
        uplink.6       | 6  | uplink
        | |

        """
    #expect(devicesWithVLANs(in: table) == ["uplink", "eth1"])
    #expect(devicesWithVLANs(in: "") == [])
}
