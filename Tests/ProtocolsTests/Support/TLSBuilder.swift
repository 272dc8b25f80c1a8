// SPDX-License-Identifier: Apache-2.0
// Writes TLS messages and records. In: what they say. Out: their bytes.

enum TLSBuilder {
    static func u16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
    static func u24(_ value: Int) -> [UInt8] { [UInt8(value >> 16 & 0xff)] + u16(value) }
    static func block16(_ bytes: [UInt8]) -> [UInt8] { u16(bytes.count) + bytes }
    static func block8(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count)] + bytes }

    /// One record.
    static func record(_ type: UInt8, _ body: [UInt8], version: Int = 0x0301) -> [UInt8] {
        [type] + u16(version) + block16(body)
    }

    /// One handshake message.
    static func message(_ type: UInt8, _ body: [UInt8]) -> [UInt8] { [type] + u24(body.count) + body }

    /// An extension.
    static func ext(_ type: Int, _ data: [UInt8]) -> [UInt8] { u16(type) + block16(data) }

    static func serverName(_ name: String) -> [UInt8] {
        ext(0, block16([0] + block16(Array(name.utf8))))
    }

    static func alpn(_ names: [String]) -> [UInt8] {
        ext(16, block16(names.flatMap { block8(Array($0.utf8)) }))
    }

    static func words(_ type: Int, _ values: [Int]) -> [UInt8] { ext(type, block16(values.flatMap(u16))) }

    /// A ClientHello's body.
    static func clientHello(
        suites: [Int] = [0x0a0a, 0x1301, 0xc02f], extensions: [[UInt8]], version: Int = 0x0303
    ) -> [UInt8] {
        u16(version) + [UInt8](repeating: 7, count: 32) + block8([1, 2, 3]) + block16(suites.flatMap(u16))
            + block8([0]) + block16(extensions.flatMap { $0 })
    }

    /// A usual client's.
    static let usual = clientHello(extensions: [
        ext(0x1a1a, []), serverName("www.example.org"), words(10, [0x2a2a, 29, 23]), ext(11, block8([0])),
        words(13, [0x0403, 0x0804]), alpn(["h2", "http/1.1"]),
        ext(43, block8([0x3a, 0x3a, 0x03, 0x04, 0x03, 0x03])),
    ])

    /// A ServerHello's body.
    static func serverHello(_ extensions: [[UInt8]], session: [UInt8] = [1, 2, 3]) -> [UInt8] {
        u16(0x0303) + [UInt8](repeating: 9, count: 32) + block8(session) + u16(0xc02f) + [0]
            + block16(extensions.flatMap { $0 })
    }

    /// A DER element.
    static func der(_ tag: UInt8, _ parts: [UInt8]...) -> [UInt8] {
        let body = parts.flatMap { $0 }
        return [tag] + (body.count < 128 ? [UInt8(body.count)] : [0x82] + u16(body.count)) + body
    }

    static func name(_ common: String) -> [UInt8] {
        let country = der(0x31, der(0x30, der(0x06, [0x55, 0x04, 0x06]), der(0x13, Array("US".utf8))))
        let unknown = der(0x31, der(0x30, der(0x06, [0x2a, 0x03, 0x04]), der(0x0c, Array("x".utf8))))
        return der(
            0x30, country, unknown,
            der(0x31, der(0x30, der(0x06, [0x55, 0x04, 0x03]), der(0x0c, Array(common.utf8)))))
    }

    /// A certificate that nobody signed.
    static func certificate(notAfter: [UInt8] = der(0x18, Array("20510304050607Z".utf8))) -> [UInt8] {
        let names = der(0x30, der(0x82, Array("a.example.org".utf8)), der(0x82, Array("b.example.org".utf8)))
        let extensions = der(
            0xa3, der(0x30, der(0x30, der(0x06, [0x55, 0x1d, 0x11]), der(0x04, names))))
        let algorithm = der(0x30, der(0x06, [0x2a, 0x03]))
        let signed = der(
            0x30, der(0xa0, der(0x02, [2])), der(0x02, [0x00, 0xab, 0x01]), algorithm, name("issuer"),
            der(0x30, der(0x17, Array("700101000000Z".utf8)), notAfter), name("subject"),
            der(0x30, algorithm),
            extensions)
        return der(0x30, signed, algorithm, der(0x03, [0]))
    }

    static func certificates(_ list: [[UInt8]]) -> [UInt8] {
        let items = list.flatMap { u24($0.count) + $0 }
        return message(11, u24(items.count) + items)
    }
}
