// SPDX-License-Identifier: Apache-2.0
// The detection module: one for each worker, for it holds the packet that is looked at and what flows have
// taught about each other. In: nothing but limits. Out: a FlowDetection for each flow, set up as ndpiReader
// 4.2 sets nDPI up.

import CNDPI

/// Why no detector could be made.
public enum DetectionError: Error, Hashable, Sendable {
    /// The library has other structures than the headers that this program was built with.
    case otherLibrary(revision: String)
    /// nDPI did not start, for want of memory.
    case notStarted

    /// Lower case, no full stop.
    public var message: String {
        switch self {
        case .otherLibrary(let revision):
            "libndpi \(revision) is not the version that this program was built for"
        case .notStarted: "libndpi does not start: out of memory"
        }
    }

    /// The way out.
    public var help: String {
        switch self {
        case .otherLibrary: "install libndpi 4.2 (Debian 12: 'apt install libndpi4.2'), or build anew"
        case .notStarted: "give the inspector more memory"
        }
    }
}

/// Recognises the protocols of flows. Not for use by two threads at once; several detectors may run side by
/// side. Loads in about 13 ms and 3 MB.
public final class ProtocolDetector {
    /// The protocols that can be detected.
    public let names: ProtocolNames
    public let limits: DetectionLimits
    public internal(set) var counters = DetectionCounters()
    /// Flows that are not decided yet.
    public internal(set) var openFlows = 0
    /// Added to packets' times for nDPI, which holds certificates against the wall's clock: milliseconds from
    /// a clock that nobody sets; 0 where packets have the wall's time. Any step of it is taken as it is.
    public var wallOffsetMilliseconds: Int64 = 0
    let module: OpaquePointer
    private var buffer = PacketBuffer()
    private var latestMilliseconds: UInt64 = 0
    /// Printed names by master and application, so that a flow's end makes no text.
    private var printed: [ProtocolPair: String] = [:]
    private var categories: [UInt32: String] = [:]

    public init(limits: DetectionLimits = DetectionLimits()) throws(DetectionError) {
        guard ndpi_detection_get_sizeof_ndpi_flow_struct() == MemoryLayout<ndpi_flow_struct>.size,
            ndpi_detection_get_sizeof_ndpi_flow_tcp_struct() == MemoryLayout<ndpi_flow_tcp_struct>.size,
            ndpi_detection_get_sizeof_ndpi_flow_udp_struct() == MemoryLayout<ndpi_flow_udp_struct>.size
        else { throw .otherLibrary(revision: ndpi_revision().map { String(cString: $0) } ?? "") }
        guard let module = ndpi_init_detection_module(UInt32(ndpi_no_prefs.rawValue)) else {
            throw .notStarted
        }
        var all = ndpi_protocol_bitmask_struct_t()
        withUnsafeMutableBytes(of: &all) { _ = $0.initializeMemory(as: UInt8.self, repeating: 0xff) }
        ndpi_set_protocol_detection_bitmask2(module, &all)
        ndpi_finalize_initialization(module)
        self.module = module
        self.limits = limits
        names = ProtocolNames(module)
    }

    deinit { ndpi_exit_detection_module(module) }

    /// Begins a flow; nil (and counted) where as many flows as the limit allows are open.
    /// - Parameter isCounted: false where it is a second look at a flow that was begun before.
    public func openFlow(isCounted: Bool = true) -> FlowDetection? {
        guard openFlows < limits.openFlows, let flow = ndpi_calloc(1, MemoryLayout<ndpi_flow_struct>.size)
        else {
            if isCounted { counters.flowsRefused &+= 1 }
            return nil
        }
        if isCounted { counters.flows &+= 1 }
        openFlows += 1
        return FlowDetection(
            of: self, flow: flow.bindMemory(to: ndpi_flow_struct.self, capacity: 1))
    }

    /// Shows one checked packet to nDPI. Packets' time that goes back counts as none. The wall's clock may be
    /// set back: a later time, once told, must not stay, and nDPI 4.2 has no timeout that it would upset.
    func look(
        at packet: UnsafeRawBufferPointer, of flow: UnsafeMutablePointer<ndpi_flow_struct>,
        timeMilliseconds: UInt64
    ) -> ndpi_protocol {
        latestMilliseconds = max(latestMilliseconds, timeMilliseconds)
        counters.packets &+= 1
        return ndpi_detection_process_packet(
            module, flow, buffer.hold(packet), UInt16(clamping: packet.count), wallMilliseconds)
    }

    /// The latest packet's time since 1970-01-01T00:00Z, and not before.
    private var wallMilliseconds: UInt64 {
        let distance = wallOffsetMilliseconds.magnitude
        guard wallOffsetMilliseconds > 0 else {
            return latestMilliseconds - min(distance, latestMilliseconds)
        }
        let (sum, isOver) = latestMilliseconds.addingReportingOverflow(distance)
        return isOver ? .max : sum
    }

    /// The name as ndpiReader prints it: "master.application" where they are two.
    func printedName(_ protocols: ProtocolPair) -> String {
        if let name = printed[protocols] { return name }
        let (master, application) = (protocols.master, protocols.application)
        let name =
            master == .unknown || master == application
            ? names.name(application)
            : application == .unknown
                ? names.name(master) : "\(names.name(master)).\(names.name(application))"
        printed[protocols] = name
        return name
    }

    func categoryName(_ category: ndpi_protocol_category_t) -> String {
        if let name = categories[category.rawValue] { return name }
        let name = ndpi_category_get_name(module, category).map { String(cString: $0) } ?? ""
        categories[category.rawValue] = name
        return name
    }
}
