/* SPDX-License-Identifier: Apache-2.0 */
/* Header conditions of an engine's inspectors, told from outside, and what they left out. Part of
 * native.c. */
#ifndef NATIVE_SCOPES_H
#define NATIVE_SCOPES_H

int native_datapath_set_scope(struct native_datapath *datapath, __u32 inspector,
                              const struct guard_sample_scope *scope)
{
	return set_scope(&datapath->samples, inspector, scope);
}

const struct guard_counter *native_datapath_unneeded(const struct native_datapath *datapath)
{
	return datapath->samples.unneeded;
}

#endif
