// SPDX-License-Identifier: Apache-2.0
// Every variant of the suite, in the order of docs/evasion.md. A family is added here and nowhere else.

let evasionFamilies: [@Sendable () throws -> [EvasionCase]] = [
    nonIPCases, tagCases, ipv4HeaderCases, ipv6ChainCases, fragmentCases, trainCases, oddTrainCases,
    fullGroupCases,
    tunnelCases,
    tunnelFaultCases, tunnelLayerCases, tunnelContentCases, tunnelCutCases, tunnelTrainCases, lengthCases,
    transportCases, essentialCases, spoofedCases, banCases, lenientCases,
    jumboCases,
]

/// Made once: the broken programs' tests ask for it each.
private let table = Result { try evasionFamilies.flatMap { try $0() } }

func evasionCases() throws -> [EvasionCase] { try table.get() }
