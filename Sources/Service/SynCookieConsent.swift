// SPDX-License-Identifier: Apache-2.0
// What SYN cookies need of this host's stack: net.ipv4.tcp_syncookies=2, so that it takes cookies which it
// did not send itself. Changed with consent only; what was there is kept with the pins and comes back.
import Dataplane
import MapCompiler
import PolicyLanguage

extension CheckedPolicy {
    var usesSynCookies: Bool { rules.contains { $0.synCookieLimit != nil } }
}

/// What the stack would agree to in a handshake of its own, which cookies must not go beyond.
func synCookieOffer() -> CookieOffer {
    var offer = CookieOffer()
    // Only without a random offset (2) can what a cookie's timestamp says be read by the stack.
    offer.timestamps = NetworkSetting.timestamps.value == 2
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
    /// What was changed, as it was before.
    private(set) var changed = KeptSettings()
    private(set) var remarks: [String] = []

    /// Changes what `policy` needs, where there is consent for it.
    /// - Throws: `ServiceError` where the policy cannot run as things are; then nothing was changed.
    init(_ policy: CheckedPolicy, isGiven: Bool, dryRun: Bool) throws {
        guard policy.usesSynCookies else { return }
        guard let syncookies = NetworkSetting.syncookies.value else {
            throw ServiceError(
                .unavailable, "'syn-cookies' needs a kernel with CONFIG_SYN_COOKIES, which this one is not")
        }
        guard isGiven || syncookies == 2 else { throw Self.refusal(policy, syncookies) }
        if isGiven, !dryRun { try change(syncookies) }
        if NetworkSetting.timestamps.value == 1 {
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

    private mutating func change(_ syncookies: UInt32) throws {
        if syncookies != 2 {
            try NetworkSetting.syncookies.set(2)
            changed.syncookies = syncookies
            remarks.append("net.ipv4.tcp_syncookies is 2 now, until detach; it was \(syncookies)")
        }
        guard NetworkSetting.timestamps.value == 1 else { return }
        do {
            try NetworkSetting.timestamps.set(2)
        } catch {
            undo()
            throw error
        }
        changed.timestamps = 1
        remarks.append("net.ipv4.tcp_timestamps is 2 now, until detach; it was 1")
    }

    /// Takes the change back, as where the apply failed.
    func undo() { restore(changed) }

    /// Keeps what was there before the first change; a policy without cookies gets it back.
    func settle(_ policy: CheckedPolicy, _ pins: PinDirectory) throws {
        guard let state = try SharedState.open(pins) else { return }
        var kept = try state.keptSettings()
        if policy.usesSynCookies {
            kept.syncookies = kept.syncookies ?? changed.syncookies
            kept.timestamps = kept.timestamps ?? changed.timestamps
            return try state.keep(kept)
        }
        guard !kept.isEmpty else { return }
        restore(kept)
        try state.keep(KeptSettings())
    }
}

/// Puts settings back that are still as `apply` left them.
func restore(_ kept: KeptSettings) {
    if let value = kept.syncookies, NetworkSetting.syncookies.value == 2 {
        try? NetworkSetting.syncookies.set(value)
    }
    if let value = kept.timestamps, NetworkSetting.timestamps.value == 2 {
        try? NetworkSetting.timestamps.set(value)
    }
}
