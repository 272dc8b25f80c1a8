// SPDX-License-Identifier: Apache-2.0
// Policies that several suites apply.

enum Policies {
    /// Says that what comes later is not missed, so that no note is told.
    static let plain = "stateful: false\nfragments: drop\n"

    /// Drops UDP 9999 by rule, passes UDP 9000 and TCP 80 by rule, drops the rest.
    static let web =
        plain + """
            policy: web
            default: drop
            rules:
              - { name: unwanted, service: udp/9999, action: drop }
              - { name: telemetry, service: udp/9000, action: pass }
              - { name: web, service: tcp/80, action: pass }

            """

    /// Passes everything.
    static let open = plain + "policy: open\ndefault: pass\n"
}
