// SPDX-License-Identifier: Apache-2.0
// bytes -> their digest, by libgcrypt: for the cache's key and for the to_md5, to_sha1 and to_sha256
// transforms.

import CGcrypt

/// The digests that signatures and the cache use.
enum Digest: Sendable {
    case md5, sha1, sha256

    private var algorithm: Int32 {
        switch self {
        case .md5: Int32(GCRY_MD_MD5.rawValue)
        case .sha1: Int32(GCRY_MD_SHA1.rawValue)
        case .sha256: Int32(GCRY_MD_SHA256.rawValue)
        }
    }

    /// How many bytes the digest has.
    var byteCount: Int {
        switch self {
        case .md5: 16
        case .sha1: 20
        case .sha256: 32
        }
    }

    /// libgcrypt wants to be started once, before anything else.
    private static let ready: Bool = gcrypt_shim_start() == 0

    /// The digest of `bytes`.
    func of(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        guard Digest.ready else { return [] }
        return [UInt8](unsafeUninitializedCapacity: byteCount) { out, count in
            gcry_md_hash_buffer(algorithm, out.baseAddress, bytes.baseAddress, bytes.count)
            count = byteCount
        }
    }
}
