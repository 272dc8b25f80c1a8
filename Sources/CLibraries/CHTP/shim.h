/* SPDX-License-Identifier: Apache-2.0 */
/* libhtp, with what Swift cannot import: the macro bstr_ptr, and a destructor that its headers leave out. */
#ifndef XDPGUARD_CHTP_SHIM_H
#define XDPGUARD_CHTP_SHIM_H
#include <htp/htp.h>

/* The bytes of a string of libhtp, or NULL. */
static inline const unsigned char *htp_shim_bytes(const bstr *text)
{
	return text ? bstr_ptr(text) : 0;
}

/* How many log messages a connection holds, and the next one taken out of it; the caller frees it. */
static inline size_t htp_shim_message_count(const htp_conn_t *conn)
{
	return conn && conn->messages ? htp_list_size(conn->messages) : 0;
}

static inline void htp_shim_free_last_message(htp_conn_t *conn)
{
	htp_log_t *log = (htp_log_t *)htp_list_pop(conn->messages);
	if (log) {
		free((void *)log->msg);
		free(log);
	}
}

/* Makes a decompressor whose stream has ended ready for a further gzip member: 15 + 32 is zlib's or gzip's
   header, as libhtp begins. */
static inline void htp_shim_begin_member(htp_decompressor_gzip_t *decompressor)
{
	if (inflateReset2(&decompressor->stream, 15 + 32) == Z_OK)
		decompressor->zlib_initialized = HTP_COMPRESSION_GZIP;
}
#endif
