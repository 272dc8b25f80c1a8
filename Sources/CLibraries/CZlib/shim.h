/* SPDX-License-Identifier: Apache-2.0 */
#include <zlib.h>

/* inflateInit2 is a macro. 15 + 32: zlib's or gzip's header, whichever is there. */
static inline int zlib_begin_inflate(z_stream *stream)
{
	return inflateInit2(stream, 15 + 32);
}
