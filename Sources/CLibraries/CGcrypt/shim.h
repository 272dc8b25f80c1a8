/* SPDX-License-Identifier: Apache-2.0 */
/* libgcrypt, with the variadic calls that Swift cannot import. */
#ifndef XDPGUARD_CGCRYPT_SHIM_H
#define XDPGUARD_CGCRYPT_SHIM_H
#include <gcrypt.h>

/* Starts the library without secure memory (no secret of ours passes through it): 0, or no such library. */
static inline int gcrypt_shim_start(void)
{
	if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P))
		return 0;
	if (!gcry_check_version("1.8.0"))
		return -1;
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	return 0;
}

#endif
