// SPDX-License-Identifier: Apache-2.0
// What SYN cookies need of this host's stack: net.ipv4.tcp_syncookies=2, so that it takes cookies which it
// did not send itself. Changed with consent only; what was there is kept with the pins and comes back.
import Dataplane
import Diagnostics
import MapCompiler
import PolicyLanguage

extension CheckedPolicy {
    var usesSynCookies: Bool { rules.contains { $0.synCookieLimit != nil } }
}

/// What the stack would agree to in a handshake of its own, which cookies must not go beyond.
/// - Parameter isConsented: random offsets of timestamps will be switched off before cookies are sent.
func synCookieOffer(isConsented: Bool) -> CookieOffer {
    var offer = CookieOffer()
    let timestamps = NetworkSetting.timestamps.value
    // Only without a random offset (2) can what a cookie's timestamp says be read by the stack.
    offer.timestamps = timestamps == 2 || (isConsented && timestamps == 1)
    offer.sack = NetworkSetting.sack.value == 1
    offer.windowScaling = NetworkSetting.windowScaling.value == 1
    let buffers = NetworkSetting.receiveBuffers.values
    let most = max(buffers.last ?? 0, NetworkSetting.mostReceiveBuffer.value ?? 0, 65_535)
    offer.scale = UInt8(min(14, max(0, 31 - most.leadingZeroBitCount - 15)))
    // Half of a buffer holds data, the other what the kernel needs around it.
    if buffers.count == 3 { offer.window = UInt16(clamping: max(1280, buffers[1] / 2)) }
    return offer
}

/// The change of settings that goes with an apply.
struct SynCookieConsent {
    /// What is to be changed, as it is now.
    private(set) var changed = KeptSettings()
    private(set) var remarks: [String] = []

    /// Finds what `policy` needs to have changed, where there is consent for it.
    /// - Throws: `ServiceError` where the policy cannot run as things are.
    init(_ policy: CheckedPolicy, isGiven: Bool) throws {

        guard policy.usesSynCookies else { return }
        guard let syncookies = NetworkSetting.syncookies.value else {
            throw ServiceError(
                .unavailable, "'syn-cookies' needs a kernel with CONFIG_SYN_COOKIES, which this one is not")
        }
        guard isGiven || syncookies == 2 else { throw Self.refusal(policy, syncookies) }
        let hidesTimestamps = NetworkSetting.timestamps.value == 1
        if isGiven, syncookies != 2 {
            changed.syncookies = syncookies
            remarks.append("net.ipv4.tcp_syncookies is 2 now, until detach; it was \(syncookies)")
        }
        if isGiven, hidesTimestamps {
            changed.timestamps = 1
            remarks.append("net.ipv4.tcp_timestamps is 2 now, until detach; it was 1")
        } else if hidesTimestamps {
            remarks.append(
                "connections that cookies begin have neither window scaling nor SACK, as "
                    + "net.ipv4.tcp_timestamps is 1, which hides them: with 2, or "
                    + "--set-tcp-syncookies, they do"
            )
        }
    }

    private static func refusal(_ policy: CheckedPolicy, _ value: UInt32) -> ServiceError {
        ServiceError(
            .unavailable,
            """
            policy '\(policy.name)' has 'syn-cookies', which need net.ipv4.tcp_syncookies=2, and it is \
            \(value): with another value this host's stack refuses connections that a cookie of the XDP \
            program began; set it with 'sysctl -w net.ipv4.tcp_syncookies=2', or let apply do so with \
            --set-tcp-syncookies, until detach
            """)
    }

    /// Keeps what is there, then changes it: whoever dies in between leaves what `detach` puts back.
    func change(_ state: SharedState) throws {
        guard !changed.isEmpty else { return }
        var kept = try state.keptSettings()
        kept.syncookies = kept.syncookies ?? changed.syncookies
        kept.timestamps = kept.timestamps ?? changed.timestamps
        try state.keep(kept)
        if changed.syncookies != nil { try NetworkSetting.syncookies.set(2) }
        if changed.timestamps != nil { try NetworkSetting.timestamps.set(2) }
    }

    /// Takes the change back, where the apply failed.
    func undo(_ pins: PinDirectory) throws {
        guard !changed.isEmpty else { return }
        try restore(changed)
        guard let state = try SharedState.open(pins) else { return }
        var kept = try state.keptSettings()
        if kept.syncookies == changed.syncookies { kept.syncookies = nil }
        if kept.timestamps == changed.timestamps { kept.timestamps = nil }
        try state.keep(kept)
    }

    /// A policy without cookies gets back what was there before the first change.
    func settle(_ policy: CheckedPolicy, _ pins: PinDirectory) throws {
        guard !policy.usesSynCookies, let state = try SharedState.open(pins) else { return }
        let kept = try state.keptSettings()
        guard !kept.isEmpty else { return }
        try restore(kept)
        try state.keep(KeptSettings())
    }
}

/// Puts settings back that are still as `apply` left them.
func restore(_ kept: KeptSettings) throws {
    if let value = kept.syncookies, NetworkSetting.syncookies.value == 2 {
        try NetworkSetting.syncookies.set(value)
    }
    if let value = kept.timestamps, NetworkSetting.timestamps.value == 2 {
        try NetworkSetting.timestamps.set(value)
    }
}

/// A step at a command's end that must not undo it: what fails is told.
/// - Parameter consequence: what the user is left with.
func told(_ consequence: String, _ warn: (String) -> Void, _ step: () throws -> Void) {
    do {
        try step()
    } catch {
        warn("xdpguard: warning: \(consequence): \(printable(ServiceError(wrapping: error).message))\n")
    }
}
