// SPDX-License-Identifier: Apache-2.0
// libhtp's settings, made once and shared by all connections: what it decodes as a server would, and its own
// bounds. In: limits. Out: a configuration with this module's callbacks.
import CHTP

/// libhtp's settings; none changes after `init`.
public final class HTTPConfiguration: @unchecked Sendable {
    /// The bounds that connections with this configuration keep.
    public let limits: ProtocolLimits
    let handle: OpaquePointer?

    /// libhtp's personality `IDS`: paths are decoded as the most lenient servers do, and keep their case.
    /// Of a query, `%41` is decoded, and `+` stays: rules are written for that.
    public init(limits: ProtocolLimits = ProtocolLimits()) {
        self.limits = limits
        handle = htp_config_create()
        guard let handle else { return }
        htp_config_set_server_personality(handle, HTP_SERVER_IDS)
        // The personality makes paths lower case, and signatures tell `/Admin` from `/admin`.
        htp_config_set_convert_lowercase(handle, HTP_DECODER_URL_PATH, 0)
        htp_config_set_parse_request_cookies(handle, 0)
        htp_config_set_allow_space_uri(handle, 1)
        htp_config_set_plusspace_decode(handle, HTP_DECODER_URLENCODED, 0)
        htp_config_set_log_level(handle, HTP_LOG_NOTICE)
        htp_config_set_field_limits(handle, limits.httpField / 2, limits.httpField)
        htp_config_set_number_headers_limit(handle, limits.httpHeaderCount)
        HTTPCallbacks.register(handle)
        // Bodies come as sent: `HTTPUnpacker` unpacks them.
        htp_config_set_request_decompression(handle, 0)
        htp_config_set_response_decompression(handle, 0)
        // LZMA costs memory by the sender's choice, and browsers do not know it.
        htp_config_set_lzma_layers(handle, 0)
    }

    deinit {
        if let handle { htp_config_destroy(handle) }
    }
}
