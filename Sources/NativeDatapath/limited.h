/* SPDX-License-Identifier: Apache-2.0 */
/* Part of native.c: who is limited, noted for a packet that tests make, and read. */
#ifndef NATIVE_LIMITED_H
#define NATIVE_LIMITED_H

void native_datapath_note_limited(struct native_datapath *datapath, const struct native_excess *excess,
                                  __u64 clock_ns)
{
	struct packet packet = {
	        .family = excess->client.family,
	        .protocol = excess->client.protocol,
	        .source = excess->client.source,
	        .destination = excess->client.destination,
	        .source_port = excess->client.source_port,
	        .key = excess->client.port,
	        .read = excess->client.family ? PACKET_IP | PACKET_PROTOCOL | PACKET_L4 : 0,
	};

	if (packet.family && !excess->client.fields)
		packet.read = PACKET_IP;
	current = datapath;
	native_config = &datapath->config;
	datapath->trace = (struct guard_trace){.now_ns = clock_ns, .clock_ns = clock_ns};
	note_excess(&packet, &excess->limit,
	            &(struct excess){.tag = excess->tag, .now_ns = clock_ns, .bytes = excess->bytes});
}

const struct guard_limited_group *native_datapath_limited(const struct native_datapath *datapath)
{
	return datapath->limited;
}

#endif
