// SPDX-License-Identifier: Apache-2.0
// What a test of suricata-verify sets: in its suricata.yaml, on its command line, and which builds it is not
// for. In: the test's folder. Out: our settings for the same.
import Foundation
import PolicyLanguage
import SignatureMatching
import Signatures

@testable import Inspection

struct VerifySettings {
    /// Lines of suricata.yaml without comments and blanks; the files are plain enough to be read so.
    private let lines: [Substring]
    private let test: VerifyCase
    private let folder: String

    init(_ test: VerifyCase, folder: String) {
        self.test = test
        self.folder = folder
        lines = Self.lines(of: "\(folder)/suricata.yaml")
    }

    private static func lines(of path: String) -> [Substring] {
        guard let bytes = try? DiskReader().read(path) else { return [] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { line in
            let text = line.split(separator: "#", omittingEmptySubsequences: false)[0]
            let words = text.split(separator: " ").joined(separator: " ")
            return words.isEmpty ? nil : words[...]
        }
    }

    /// `action-order:`, where it stands.
    var actionOrder: [SignatureAction]? {
        guard let start = lines.firstIndex(of: "action-order:") else { return nil }
        let kinds = lines[(start + 1)...].prefix { $0.hasPrefix("- ") }
        return kinds.compactMap { SignatureAction(rawValue: String($0.dropFirst(2))) }
    }

    /// The `alert` output's own lines.
    var alertContents: AlertContents {
        guard let start = lines.firstIndex(where: { $0.hasPrefix("- alert") }) else { return .flow }
        let own = lines[(start + 1)...].prefix { !$0.hasPrefix("- ") }
        var contents: AlertContents = own.contains("metadata: no") ? [] : .flow
        if own.contains("payload: yes") { contents.insert(.payload) }
        if own.contains("packet: yes") { contents.insert(.packet) }
        return contents
    }

    var options: InspectionOptions {
        var options = InspectionOptions()
        options.verifyChecksums = !test.ignoresChecksums
        options.midstream = test.setting("stream.midstream") == "true"
        options.isOneSided = test.setting("stream.async-oneside") == "true"
        options.separatesVLANs = test.setting("vlan.use-for-tracking") != "false"
        options.tellsDroppedPackets = true
        options.waitsForAcknowledgement = !test.isInline
        options.alertContents = alertContents
        if lines.contains("deployment: forward") { options.forwardedFor = .first }
        // 0 is its own default.
        if let line = lines.first(where: { $0.hasPrefix("packet-alert-max: ") }),
            let count = Int(line.dropFirst("packet-alert-max: ".count)), count > 0
        {
            options.alertsPerPacket = count
        }
        return options
    }

    var signatures: SignatureSettings {
        var settings = SignatureSettings()
        let isOff = test.setting("app-layer.protocols.tls.ja4-fingerprints") == "no"
        if isOff || isForBuildWithoutJA4 { settings.features.remove("ja4") }
        return settings
    }

    /// What such a build does is what ours does where the feature is switched off.
    private var isForBuildWithoutJA4: Bool {
        let lines = Self.lines(of: "\(folder)/test.yaml")
        guard let start = lines.firstIndex(of: "skip:") else { return false }
        return lines[(start + 1)...].prefix { $0.hasPrefix("- ") }.contains("- feature: HAVE_JA4")
    }
}
