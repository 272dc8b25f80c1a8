/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the XDP program's code under one of several compiled policies. In: the policy's number, then
 * frames, each with a header of its own, in an allocation of exactly its size. Out: nothing, or a finding.
 * XDPGUARD_FUZZ_POLICIES names the file of policies that fuzzinputs wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native_datapath.h"

/* What stands before a frame: how much of it is linear, where it came in, when, and its length. */
struct record {
	__u8 linear;    /* bytes; 255: all of them */
	__u8 interface; /* 0 to 2: none, veth0, lo */
	__u8 seconds[2]; /* since the frame before, most significant byte first */
	__u8 length[2];  /* bytes; as many as there are, if fewer */
};

#define POLICIES_MAX 256
static struct native_datapath *engines[POLICIES_MAX];
static __u64 policies;

static void *take(FILE *file, size_t size)
{
	void *bytes = malloc(size ? size : 1);

	if (!bytes || fread(bytes, 1, size, file) != size) {
		fprintf(stderr, "fuzz: the file of policies ends early\n");
		exit(65);
	}
	return bytes;
}

static __u64 take_number(FILE *file)
{
	__u64 *number = take(file, sizeof(*number)), value = *number;

	free(number);
	return value;
}

static struct native_datapath *take_engine(FILE *file)
{
	struct guard_config *config = take(file, sizeof(*config));
	__u64 size = take_number(file);
	void *tables = take(file, size);
	__u64 addresses_size = take_number(file);
	void *addresses = take(file, addresses_size);
	struct native_image image = {config, tables, size, addresses, addresses_size};
	struct native_datapath *datapath = native_datapath_create(&image);

	free(tables);
	free(addresses);
	free(config);
	if (!datapath)
		exit(65);
	for (__u64 bans = take_number(file); bans; bans--) {
		struct guard_ban_key *key = take(file, sizeof(*key));
		struct guard_ban ban = {.ends_ns = GUARD_FOREVER};

		if (native_datapath_ban(datapath, key, &ban))
			exit(65);
		free(key);
	}
	return datapath;
}

int LLVMFuzzerInitialize(int *count, char ***arguments)
{
	const char *path = getenv("XDPGUARD_FUZZ_POLICIES");
	FILE *file = path ? fopen(path, "rb") : NULL;

	if (!file) {
		fprintf(stderr, "fuzz: XDPGUARD_FUZZ_POLICIES names no file: run scripts/fuzz native\n");
		exit(66);
	}
	policies = take_number(file);
	if (!policies || policies > POLICIES_MAX)
		exit(65);
	for (__u64 number = 0; number < policies; number++)
		engines[number] = take_engine(file);
	fclose(file);
	return 0;
}

static void judge(struct native_datapath *datapath, const struct record *record, __u64 now_ns,
                  const __u8 *frame_bytes, __u32 length)
{
	struct guard_trace trace = {.now_ns = now_ns, .clock_ns = now_ns, .ifindex = record->interface % 3};
	struct native_frame frame = {.length = length, .linear = record->linear};
	void *bytes = malloc(length ? length : 1);

	if (!bytes)
		exit(71);
	if (length)
		memcpy(bytes, frame_bytes, length);
	if (record->linear == 255)
		frame.linear = length;
	frame.bytes = bytes;
	native_datapath_run(datapath, &frame, &trace);
	/* Every packet has a verdict, and a reason that stands in the table of reasons. */
	if (trace.reason >= GUARD_REASONS || trace.verdict >= GUARD_VERDICTS)
		abort();
	free(bytes);
}

int LLVMFuzzerTestOneInput(const __u8 *bytes, size_t size)
{
	/* Some seconds before the epoch + 1000, where random policies' rules expire. */
	__u64 now_ns = 990ULL * 1000000000;
	struct native_datapath *datapath;
	struct record record;

	if (!size)
		return 0;
	datapath = engines[*bytes++ % policies];
	for (size--; size >= sizeof(record);) {
		__u32 length;

		memcpy(&record, bytes, sizeof(record));
		bytes += sizeof(record);
		size -= sizeof(record);
		length = record.length[0] << 8 | record.length[1];
		if (length > size)
			length = size;
		now_ns += (record.seconds[0] << 8 | record.seconds[1]) * 1000000000ULL;
		judge(datapath, &record, now_ns, bytes, length);
		bytes += length;
		size -= length;
	}
	return 0;
}
