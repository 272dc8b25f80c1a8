// SPDX-License-Identifier: Apache-2.0
// Drivers that take VLAN tags out of frames before XDP sees them (rx-vlan-offload): what a policy then cannot
// do. In: a policy and its interfaces. Out: warnings.
import Dataplane
import PolicyLanguage

/// An interface as far as tags matter.
struct TagView {
    var name: String
    /// Its driver takes tags out of frames.
    var hidesTags: Bool
    /// Tagged frames are expected on it.
    var carriesVLANs: Bool
    /// The program is behind the driver, where a hidden tag stays with the frame.
    var isGeneric: Bool

    init(name: String, hidesTags: Bool, carriesVLANs: Bool, isGeneric: Bool) {
        (self.name, self.hidesTags) = (name, hidesTags)
        (self.carriesVLANs, self.isGeneric) = (carriesVLANs, isGeneric)
    }

    init(_ interface: NetworkInterface, _ attach: AttachRequest) throws {
        name = interface.name
        hidesTags = interface.hidesTags
        carriesVLANs = interface.carriesVLANs
        isGeneric = attach == .generic
        if attach == .auto { isGeneric = try interface.attachedProgram()?.mode == .generic }
    }
}

/// `vlan` keys take every frame for untagged there, and answers go out without a tag.
func hiddenTagWarnings(_ policy: CheckedPolicy, _ interfaces: [TagView]) -> [String] {
    let asking = policy.rules.first { $0.match.vlan != nil || $0.match.innerVLAN != nil }
    let answering = policy.rules.first {
        ($0.action == .reject && !$0.monitor) || $0.synCookieLimit != nil
    }
    return interfaces.filter(\.hidesTags).flatMap { interface -> [String] in
        let name = interface.name
        let stop = "ethtool -K \(name) rxvlan off (on a veth, txvlan at its peer)"
        var warnings: [String] = []
        if let asking {
            warnings.append(
                "rule '\(asking.name)' asks for VLAN tags, which \(name) may take out of frames before XDP "
                    + "sees them; to stop it: \(stop)")
        }
        if let answering, policy.mode != .monitor, interface.carriesVLANs, !interface.isGeneric {
            warnings.append(
                "rule '\(answering.name)' sends answers, to which \(name) may give no VLAN tag, as it takes "
                    + "those of frames out before XDP sees them; to stop it: \(stop), or attach anew with "
                    + "--attach generic")
        }
        return warnings
    }
}
