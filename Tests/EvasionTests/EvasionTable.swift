// SPDX-License-Identifier: Apache-2.0
// Every variant of the suite, in the order of docs/evasion.md. A family is added here and nowhere else.

let evasionFamilies: [@Sendable () throws -> [EvasionCase]] = [
    nonIPCases, tagCases, ipv4HeaderCases, ipv6ChainCases, fragmentCases, trainCases, oddTrainCases,
    tunnelCases,
    tunnelFaultCases, tunnelLayerCases, tunnelContentCases, tunnelCutCases, tunnelTrainCases, lengthCases,
    transportCases, essentialCases, spoofedCases, banCases, lenientCases,
    jumboCases,
]

func evasionCases() throws -> [EvasionCase] { try evasionFamilies.flatMap { try $0() } }
