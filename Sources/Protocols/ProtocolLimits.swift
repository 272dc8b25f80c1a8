// SPDX-License-Identifier: Apache-2.0
// Every bound that the parsers keep per flow, in one place; what a bound refuses is an anomaly record.

/// Bounds per flow. Sizes in bytes.
public struct ProtocolLimits: Sendable {
    /// Bytes of one direction that are held until a protocol is recognised.
    public var probe = 1024
    /// Bytes of one direction behind a hole that are searched for a message's first line.
    public var searchedBehindHole = 1 << 20
    /// The end of a line that is held there.
    public var lineBehindHole = 8192
    /// Anomaly records of one flow; later ones are only counted.
    public var anomalies = 64

    /// One request line, status line or header line; libhtp gives up on a longer one.
    public var httpField = 18_000
    /// The header block of one message, and the number of headers that libhtp keeps of it.
    public var httpHeader = 65_536
    /// Headers of one message.
    public var httpHeaderCount: UInt32 = 1024
    /// The kept part of a request's body.
    public var httpRequestBody = 102_400
    /// The kept part of a response's body.
    public var httpResponseBody = 102_400
    /// Requests that wait for their response; the oldest is given up for a further one.
    public var httpOpenTransactions = 64
    /// What the transactions of one connection may cost in memory, enough for 30 requests as browsers send
    /// them: beyond it the oldest of those that are not being read is given up.
    public var httpHeld = 512 << 10
    /// The same of all connections. Beyond it each keeps only what is being read, and of that
    /// `httpHeldShare`.
    public var httpHeldByAll = 512 << 20
    /// What a message may cost where all connections together have no room.
    public var httpHeldShare = 16 << 10
    /// Transactions of one connection.
    public var httpTransactions = 65_536
    /// Bytes held back until the other side of a CONNECT answers.
    public var httpHeldBack = 16_384
    /// Decompressed bytes of a flow beyond the kept ones, after which its bodies are taken as sent.
    public var httpWastedDecompression = 4 << 20

    /// One handshake message; a certificate chain is the longest.
    public var tlsHandshake = 65_536
    /// Certificates of one chain.
    public var tlsCertificates = 16
    /// A certificate whose DER bytes are kept.
    public var tlsCertificate = 16_384

    /// CRYPTO stream bytes of one side of a QUIC connection that are read.
    public var quicCrypto = 16_384
    /// Connections of a flow that are remembered, and hellos.
    public var quicConnections = 32
    /// Memory that the CRYPTO streams of a flow take; two bytes for each place.
    public var quicHeld = 131_072
    /// How long a client's datagram with an Initial packet is at least: servers discard shorter ones.
    public var quicDatagram = 1200
    /// For how many ids keys are made in one datagram: all its packets are to have one (RFC 9000 section
    /// 12.2), and receivers pass over those with another.
    public var quicIDs = 8
    /// How often a datagram's packets are tried with keys of connections that their ids only might mean.
    public var quicGuesses = 64
    /// Hellos of a connection's side behind which another one is looked for.
    public var quicStarts = 8
    /// Numbers of packets of a connection's side that are remembered: one that comes again is discarded.
    public var quicNumbers = 512

    /// Questions and records of one message.
    public var dnsRecords = 256
    /// Bytes of names and data that one message may expand to: pointers repeat names.
    public var dnsExpanded = 65_536

    /// A banner's line; RFC 4253 section 4.2 has at most 255 bytes.
    public var sshBanner = 255
    /// The key exchange packet; RFC 4253 section 6.1 has at most 35,000 bytes.
    public var sshKeyExchange = 35_000

    /// The bounds that are used where nothing else is said.
    public init() {}
}
