/* SPDX-License-Identifier: Apache-2.0 */
/* Judges what SanitizerTests.swift wrote, built with sanitizers: every frame in an allocation of exactly its
 * size. In: a file of policies and frames, in this machine's byte order. Out: the number of frames judged. */
#include <stdio.h>
#include <stdlib.h>

#include "native_datapath.h"

static void *take(FILE *file, size_t size)
{
	/* As malloc(0) may be NULL, an empty frame is an allocation that is not read. */
	void *bytes = malloc(size ? size : 1);

	if (!bytes || fread(bytes, 1, size, file) != size) {
		fprintf(stderr, "judge: the file ends early\n");
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

static void judge(struct native_datapath *datapath, FILE *file)
{
	struct guard_trace trace = {};
	struct native_frame frame = {};
	void *bytes;

	/* One statement each: initializers have no order. */
	trace.now_ns = take_number(file);
	trace.ifindex = take_number(file);
	frame.linear = take_number(file);
	frame.length = take_number(file);
	bytes = take(file, frame.length);
	frame.bytes = bytes;
	native_datapath_run(datapath, &frame, &trace);
	free(bytes);
}

int main(int count, char **arguments)
{
	FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;
	__u64 judged = 0;

	if (!file)
		return 64;
	for (__u64 policies = take_number(file); policies; policies--) {
		struct native_datapath *datapath = take_engine(file);

		for (__u64 frames = take_number(file); frames; frames--, judged++)
			judge(datapath, file);
		native_datapath_destroy(datapath);
	}
	fclose(file);
	printf("%llu\n", (unsigned long long)judged);
	return 0;
}
