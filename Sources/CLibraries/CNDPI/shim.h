/* SPDX-License-Identifier: Apache-2.0 */
/* nDPI 4.2: the structures as the library has them; ProtocolDetector compares their sizes when it loads. */
#include <ndpi_api.h>
