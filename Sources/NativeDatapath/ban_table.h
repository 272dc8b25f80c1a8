/* SPDX-License-Identifier: Apache-2.0 */
/* guard_bans behind the kernel's helpers, and what is asked of an engine's bans. A part of native.c. */
#ifndef NATIVE_BAN_TABLE_H
#define NATIVE_BAN_TABLE_H

static __always_inline long store_ban(const void *key, const void *value, __u64 flags)
{
	if (flags == BPF_NOEXIST && native_bans_find(&current->bans, key))
		return -EEXIST;
	return native_bans_put(&current->bans, key, value);
}

struct ban_walk {
	long (*step)(void *map, const struct guard_ban_key *key, struct guard_ban *ban, void *context);
	void *context;
};

static long walk_ban(struct native_ban *place, void *context)
{
	const struct ban_walk *walk = context;
	struct guard_ban_key key = place->key;

	return walk->step(NULL, &key, &place->value, walk->context);
}

static __always_inline long bpf_for_each_map_elem(const void *map, void *step, void *context, __u64 flags)
{
	struct ban_walk walk = {.step = step, .context = context};

	return map == &guard_bans ? native_bans_each(&current->bans, walk_ban, &walk) : -EINVAL;
}

int native_datapath_ban(struct native_datapath *datapath, const struct guard_ban_key *prefix,
                        const struct guard_ban *ban)
{
	int result;

	if (prefix->family != 4 && prefix->family != 6)
		return -EINVAL;
	if (prefix->length > (prefix->family == 4 ? 32 : 128))
		return -EINVAL;
	result = native_bans_put(&datapath->bans, prefix, ban);
	if (result)
		return result;
	if (prefix->family == 4)
		datapath->ban_lengths.ipv4 |= 1ULL << prefix->length;
	else
		datapath->ban_lengths.ipv6[prefix->length / 64] |= 1ULL << prefix->length % 64;
	return 0;
}

const struct guard_ban *native_datapath_find_ban(const struct native_datapath *datapath,
                                                 const struct guard_ban_key *prefix)
{
	return native_bans_find(&datapath->bans, prefix);
}

int native_datapath_ban_client(struct native_datapath *datapath, const struct guard_ban_key *client,
                               const struct guard_limit *limit, __u64 clock_ns)
{
	struct packet packet = {
	        .family = client->family,
	        .source = {.high = client->high, .low = client->low},
	};

	current = datapath;
	native_config = &datapath->config;
	datapath->trace = (struct guard_trace){.now_ns = clock_ns, .clock_ns = clock_ns};
	return ban_source(&packet, limit);
}

__u32 native_datapath_ban_count(const struct native_datapath *datapath)
{
	return datapath->bans.count;
}

const struct guard_ban_upkeep *native_datapath_ban_upkeep(const struct native_datapath *datapath)
{
	return &datapath->ban_upkeep;
}

#endif
