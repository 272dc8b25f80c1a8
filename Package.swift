// swift-tools-version: 6.1
// SPDX-License-Identifier: Apache-2.0
// The two pipelines of README.md as targets, each importing only what stands left of it.
import PackageDescription

let strict: [SwiftSetting] = [.unsafeFlags(["-warnings-as-errors"])]

/// Of modules that work on every packet. Checking at run time that no two accesses to an object overlap took
/// a tenth of the time (perf, 2026-11-21): tests are debug builds and check it. Generic code of one module
/// is specialised for the types of another.
let perPacket: [SwiftSetting] =
    strict + [
        .unsafeFlags(
            ["-enforce-exclusivity=unchecked", "-cross-module-optimization"], .when(configuration: .release))
    ]

func step(
    _ name: String, _ dependencies: [Target.Dependency] = [], _ settings: [SwiftSetting] = strict
) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], exclude: exclude, swiftSettings: strict)
}

let package = Package(
    name: "xdpguard",
    products: [.executable(name: "xdpguard", targets: ["xdpguard"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // Libraries of the field and the layout shared with the XDP program.
        .systemLibrary(
            name: "CBPF", path: "Sources/CLibraries/CBPF", pkgConfig: "libbpf",
            providers: [.apt(["libbpf-dev", "libxdp-dev"])]),
        .systemLibrary(
            name: "CPcap", path: "Sources/CLibraries/CPcap", pkgConfig: "libpcap",
            providers: [.apt(["libpcap-dev"])]),
        .systemLibrary(
            name: "CYAML", path: "Sources/CLibraries/CYAML", pkgConfig: "yaml-0.1",
            providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "GuardABI", path: "xdp/abi"),

        // What the application protocols' parsers need.
        .systemLibrary(
            name: "CHTP", path: "Sources/CLibraries/CHTP", pkgConfig: "htp",
            providers: [.apt(["libhtp-dev"])]),
        .systemLibrary(
            name: "CGcrypt", path: "Sources/CLibraries/CGcrypt", pkgConfig: "libgcrypt",
            providers: [.apt(["libgcrypt20-dev"])]),
        step("Protocols", ["NetworkTypes", "CHTP", "CGcrypt"], perPacket),
        // Protocol detection: nDPI, and the comparison with ndpiReader that scripts run.
        .systemLibrary(
            name: "CNDPI", path: "Sources/CLibraries/CNDPI", pkgConfig: "libndpi",
            providers: [.apt(["libndpi-dev"])]),
        step("ProtocolDetection", ["Diagnostics", "CNDPI"], perPacket),
        .executableTarget(
            name: "detection",
            dependencies: ["ProtocolDetection", "Capture", "NetworkTypes", "TestSupport"],
            path: "Tests/Detection", swiftSettings: strict),
        tests("ProtocolDetectionTests", ["ProtocolDetection", "detection"]),
        tests("ProtocolsTests", ["Protocols", "NetworkTypes", "Capture", "CGcrypt"]),

        // The XDP program, compiled by the toolchain's clang and embedded.
        .executableTarget(name: "bpfembed", path: "Sources/Plugins/bpfembed", swiftSettings: strict),
        .plugin(
            name: "BPFBuild", capability: .buildTool(), dependencies: ["bpfembed"],
            path: "Sources/Plugins/BPFBuild"),

        // The same program compiled for the host.
        .target(
            name: "NativeDatapath", dependencies: ["GuardABI"],
            cSettings: [
                .headerSearchPath("shims"), .headerSearchPath("../../xdp"),
                .unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]),
            ]),

        // policy text -> AST -> checked policy -> map image -> kernel
        step("NetworkTypes", [], perPacket),
        step("Diagnostics"),
        step("JSONOutput"),
        step("PolicyLanguage", ["Diagnostics", "NetworkTypes", "CYAML"]),
        step("ReferenceFirewall", ["PolicyLanguage", "NetworkTypes"]),
        step("PolicyAnalysis", ["PolicyLanguage", "ReferenceFirewall", "NetworkTypes", "Diagnostics"]),
        step("MapCompiler", ["PolicyLanguage", "NetworkTypes", "Diagnostics", "GuardABI"]),
        .target(
            name: "Dataplane", dependencies: ["NetworkTypes", "GuardABI", "CBPF"], swiftSettings: strict,
            plugins: ["BPFBuild"]),

        // packet -> stages -> verdict + reason
        step("Capture", ["NetworkTypes", "CPcap"], perPacket),
        step(
            "Replay",
            [
                "Capture", "PolicyLanguage", "ReferenceFirewall", "MapCompiler", "Dataplane",
                "NativeDatapath", "Inspection", "NetworkTypes", "Diagnostics", "JSONOutput", "GuardABI",
            ], perPacket),

        // The inspector as a process of its own, and what keeps it running.
        .systemLibrary(
            name: "CProcess", path: "Sources/CLibraries/CProcess", pkgConfig: "libseccomp",
            providers: [.apt(["libseccomp-dev"])]),
        step("Sandbox", ["CProcess"]),
        step("InspectorProcess", ["CProcess", "NetworkTypes"]),
        // What tests of the two start: bad workers, and attempts to leave the sandbox.
        .executableTarget(
            name: "confined",
            dependencies: ["Sandbox", "InspectorProcess", "NetworkTypes", "CProcess", "CBPF"],
            path: "Tests/Confined", swiftSettings: strict),
        tests("SandboxTests", ["Sandbox", "confined"]),
        tests("InspectorProcessTests", ["InspectorProcess", "NetworkTypes", "confined"]),
        .systemLibrary(
            name: "CZlib", path: "Sources/CLibraries/CZlib", pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"])]),
        // sample -> flows -> streams -> protocols -> signatures -> findings and events
        step(
            "Inspection",
            [
                "Streams", "ProtocolDetection", "Protocols", "Signatures", "SignatureMatching",
                "PolicyLanguage", "NetworkTypes", "Diagnostics", "JSONOutput", "CZlib",
            ], perPacket),
        // sample -> IP packets -> flows -> streams -> signatures -> findings
        step("Signatures", ["NetworkTypes", "Diagnostics", "CPCRE2"], perPacket),
        // sample -> packets -> flows -> ordered streams
        step("Streams", ["NetworkTypes"], perPacket),

        step(
            "Service",
            [
                "PolicyLanguage", "PolicyAnalysis", "MapCompiler", "Dataplane", "ReferenceFirewall",
                "Inspection", "NetworkTypes",
                "Diagnostics", "JSONOutput", "GuardABI",
                "InspectorProcess", "Sandbox", "SignatureMatching",
            ]),
        // signatures -> prefilter and matching over buffers
        .systemLibrary(
            name: "CHyperscan", path: "Sources/CLibraries/CHyperscan", pkgConfig: "libhs",
            providers: [.apt(["libhyperscan-dev"])]),
        .systemLibrary(
            name: "CPCRE2", path: "Sources/CLibraries/CPCRE2", pkgConfig: "libpcre2-8",
            providers: [.apt(["libpcre2-dev"])]),
        step(
            "SignatureMatching", ["Signatures", "NetworkTypes", "CHyperscan", "CPCRE2", "CGcrypt"],
            perPacket),

        .executableTarget(
            name: "guardbench",
            dependencies: [
                "Replay", "Capture", "MapCompiler", "Dataplane", "PolicyAnalysis", "PolicyLanguage",
                "NetworkTypes", "TestSupport",
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "xdpguard",
            dependencies: [
                "Service", "Replay", "Inspection", "Signatures", "SignatureMatching", "PolicyLanguage",
                "PolicyAnalysis", "MapCompiler", "Dataplane", "Capture", "NetworkTypes", "Diagnostics",
                "JSONOutput",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: perPacket),

        .target(
            name: "TestSupport", dependencies: ["NetworkTypes", "PolicyLanguage", "Diagnostics"],
            path: "Tests/Support", swiftSettings: strict),
        // The evaluators against each other on random packets; scripts/test and scripts/fuzz run it.
        .executableTarget(
            name: "differential",
            dependencies: [
                "TestSupport", "Replay", "Capture", "MapCompiler", "PolicyLanguage", "NetworkTypes",
                "GuardABI",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Differential", swiftSettings: strict),
        // The evaluators against large sets with answers that others made; scripts/scale runs it.
        .executableTarget(
            name: "scale",
            dependencies: [
                "TestSupport", "Replay", "Capture", "MapCompiler", "PolicyLanguage", "Diagnostics",
                "NetworkTypes",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Scale", swiftSettings: strict),
        // Floods on virtual time, and who must not be hurt by them; scripts/flood runs it.
        .executableTarget(
            name: "flood",
            dependencies: [
                "TestSupport", "NativeDatapath", "Replay", "MapCompiler", "PolicyLanguage", "NetworkTypes",
                "GuardABI", "Inspection", "Signatures", "SignatureMatching", "Diagnostics",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], path: "Tests/Flood", swiftSettings: strict),
        .systemLibrary(name: "CLinux", path: "Tests/CLinux"),
        tests("JSONOutputTests", ["JSONOutput"]),
        tests("SignaturesTests", ["Signatures", "Diagnostics", "NetworkTypes"]),
        tests(
            "InspectionTests",
            [
                "Inspection", "Streams", "Protocols", "Signatures", "SignatureMatching", "PolicyLanguage",
                "NetworkTypes", "Diagnostics", "JSONOutput", "Capture", "InspectorProcess",
            ]),
        tests(
            "MapCompilerTests", ["MapCompiler", "PolicyLanguage", "Diagnostics", "NetworkTypes", "GuardABI"]),
        tests("GuardABITests", ["GuardABI", "PolicyLanguage"]),
        tests(
            "ServiceTests",
            [
                "Service", "Dataplane", "InspectorProcess", "PolicyLanguage", "Diagnostics", "NetworkTypes",
            ]),
        tests("NetworkTypesTests", ["NetworkTypes"]),
        tests(
            "DataplaneTests",
            [
                "CBPF", "Dataplane", "MapCompiler", "NativeDatapath", "GuardABI", "PolicyLanguage",
                "Diagnostics", "NetworkTypes",
            ]),
        tests("CaptureTests", ["Capture", "NetworkTypes"]),
        tests(
            "SignatureMatchingTests",
            ["SignatureMatching", "Signatures", "NetworkTypes", "Diagnostics", "CPCRE2"]),
        tests("StreamsTests", ["Streams", "Capture", "NetworkTypes"]),
        tests("DiagnosticsTests", ["Diagnostics"]),
        tests("PolicyLanguageTests", ["PolicyLanguage", "Diagnostics", "NetworkTypes"], exclude: ["cases"]),
        tests(
            "ReferenceFirewallTests", ["ReferenceFirewall", "PolicyLanguage", "Diagnostics", "NetworkTypes"]),
        tests(
            "PolicyAnalysisTests",
            ["PolicyAnalysis", "ReferenceFirewall", "PolicyLanguage", "NetworkTypes", "Diagnostics"]),
        tests("CommandTests", ["xdpguard", "Dataplane", "NetworkTypes", "CBPF", "CLinux"]),
        tests(
            "NativeDatapathTests",
            [
                "NativeDatapath", "MapCompiler", "Dataplane", "Replay", "PolicyLanguage", "Diagnostics",
                "NetworkTypes", "GuardABI",
            ]),
        tests(
            "ReplayTests",
            [
                "Replay", "Capture", "ReferenceFirewall", "MapCompiler", "Dataplane", "PolicyLanguage",
                "Diagnostics",
                "NetworkTypes", "GuardABI", "JSONOutput", "differential",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], exclude: ["cases", "sanitized"]),
        tests(
            "PipelineTests",
            [
                "Inspection", "Replay", "Capture", "PolicyLanguage", "Diagnostics", "JSONOutput",
                "NetworkTypes", "detection",
            ], exclude: ["everything.conf"]),
        tests(
            "ScaleTests",
            [
                "scale", "Replay", "PolicyLanguage", "NetworkTypes", "guardbench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        tests(
            "EvasionTests",
            [
                "Replay", "Capture", "MapCompiler", "Dataplane", "PolicyLanguage", "Diagnostics",
                "NetworkTypes", "GuardABI", "xdpguard",
            ], exclude: ["live"]),
    ]
)

// What scripts/fuzz builds; no ordinary build has them. The targets are libraries: libFuzzer brings main.
if Context.environment["XDPGUARD_FUZZ"] != nil {
    package.products += [
        .library(name: "FuzzPolicy", type: .static, targets: ["FuzzPolicy"]),
        .library(name: "FuzzCapture", type: .static, targets: ["FuzzCapture"]),
        .library(name: "FuzzSignatures", type: .static, targets: ["FuzzSignatures"]),
        .library(name: "FuzzStreams", type: .static, targets: ["FuzzStreams"]),
    ]
    for name in ["HTTP", "TLS", "DNS", "QUIC", "SSH"] {
        package.products.append(.library(name: "Fuzz\(name)", type: .static, targets: ["Fuzz\(name)"]))
        package.targets.append(
            .target(
                name: "Fuzz\(name)", dependencies: ["FuzzConversation", "Protocols", "NetworkTypes"],
                path: "Tests/Fuzz/\(name.lowercased())", swiftSettings: strict))
    }
    package.targets += [
        .target(
            name: "FuzzConversation", dependencies: ["Protocols", "NetworkTypes"],
            path: "Tests/Fuzz/conversation", swiftSettings: strict),
        .target(
            name: "FuzzPolicy", dependencies: ["PolicyLanguage"], path: "Tests/Fuzz/policy",
            swiftSettings: strict),
        .target(
            name: "FuzzCapture", dependencies: ["Capture", "NetworkTypes"], path: "Tests/Fuzz/capture",
            swiftSettings: strict),
        .target(
            name: "FuzzSignatures", dependencies: ["Signatures", "Diagnostics", "NetworkTypes"],
            path: "Tests/Fuzz/signatures", swiftSettings: strict),
        .target(
            name: "FuzzStreams", dependencies: ["Streams", "NetworkTypes"], path: "Tests/Fuzz/streams",
            swiftSettings: strict),
        .executableTarget(
            name: "fuzzinputs",
            dependencies: [
                "TestSupport", "Capture", "MapCompiler", "Dataplane", "PolicyLanguage", "NetworkTypes",
                "GuardABI",
            ], path: "Tests/Fuzz/inputs", swiftSettings: strict),
    ]
}
