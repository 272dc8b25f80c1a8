// SPDX-License-Identifier: Apache-2.0
// The version of the command and of the generations that it loads.

/// Semantic version.
public let xdpguardVersion = "0.1.0"
