/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing, at most half full, so that a search always ends at a free place. */
#include "bans.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 16

/* Knuth's multiplier spreads, the shift brings the high bits down to the mask. */
static __u32 hash(const struct guard_ban_key *key)
{
	const __u64 multiplier = 0x9e3779b97f4a7c15ULL;
	__u64 mixed = (key->low * multiplier) ^ key->high;

	mixed = (mixed ^ key->length) * multiplier;
	return mixed >> 32;
}

/* The prefix's place, or the free one where it would stand. */
static struct native_ban *place_of(const struct native_bans *bans, const struct guard_ban_key *key)
{
	__u32 at = hash(key);

	for (;; at++) {
		struct native_ban *place = &bans->places[at & (bans->capacity - 1)];

		if (!place->key.family || !memcmp(&place->key, key, sizeof(*key)))
			return place;
	}
}

static int grow(struct native_bans *bans)
{
	struct native_bans larger = {.count = bans->count};

	larger.capacity = bans->capacity ? bans->capacity * 2 : FIRST_CAPACITY;
	larger.places = calloc(larger.capacity, sizeof(*larger.places));
	if (!larger.places)
		return -ENOMEM;
	for (__u32 i = 0; i < bans->capacity; i++)
		if (bans->places[i].key.family)
			*place_of(&larger, &bans->places[i].key) = bans->places[i];
	free(bans->places);
	*bans = larger;
	return 0;
}

struct guard_ban *native_bans_find(const struct native_bans *bans, const struct guard_ban_key *key)
{
	struct native_ban *place;

	if (!bans->capacity)
		return NULL;
	place = place_of(bans, key);
	return place->key.family ? &place->value : NULL;
}

int native_bans_put(struct native_bans *bans, const struct guard_ban_key *key, const struct guard_ban *value)
{
	struct guard_ban *known = native_bans_find(bans, key);

	if (known) {
		*known = *value;
		return 0;
	}
	if (bans->count >= GUARD_BANS_MAX)
		return -E2BIG;
	if ((bans->count + 1) * 2 > bans->capacity) {
		int result = grow(bans);

		if (result)
			return result;
	}
	*place_of(bans, key) = (struct native_ban){.key = *key, .value = *value};
	bans->count++;
	return 0;
}

/* Knuth's algorithm R (6.4): what stands behind the freed place moves up where its search would end there. */
int native_bans_remove(struct native_bans *bans, const struct guard_ban_key *key)
{
	struct native_ban *place = bans->capacity ? place_of(bans, key) : NULL;
	__u32 mask = bans->capacity - 1, free, at;

	if (!place || !place->key.family)
		return -ENOENT;
	free = place - bans->places;
	for (at = free + 1;; at++) {
		const struct native_ban *next = &bans->places[at & mask];
		__u32 distance;

		if (!next->key.family)
			break;
		distance = (at - hash(&next->key)) & mask;
		if (distance < ((at - free) & mask))
			continue;
		bans->places[free & mask] = *next;
		free = at;
	}
	bans->places[free & mask].key.family = 0;
	bans->count--;
	return 0;
}

long native_bans_each(struct native_bans *bans,
                      long (*step)(struct native_ban *place, void *context), void *context)
{
	long calls = 0;

	for (__u32 i = 0; i < bans->capacity; i++) {
		__u32 count;

		/* Where one was removed another may have moved up. */
		do {
			count = bans->count;
			if (!bans->places[i].key.family)
				break;
			calls++;
			if (step(&bans->places[i], context))
				return calls;
		} while (bans->count != count);
	}
	return calls;
}
