// SPDX-License-Identifier: Apache-2.0
// The parent of all suites that need root and BPF: one test at a time, each in network namespaces of its own.
import Testing
import TestSupport

@Suite(.serialized, .enabled(if: KernelTests.areWanted)) enum LiveTests {}
