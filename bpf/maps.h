/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The maps of lb.h. User space sets the sizes before it loads the program; those here are small. */
#ifndef SASPD_BPF_MAPS_H
#define SASPD_BPF_MAPS_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#include "bpf/lb.h"
#include "bpf/parsing.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct lb_service_key);
	__type(value, struct lb_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} tables_in_use SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct lb_address_key);
	__type(value, __u32);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * 64);
	__type(key, __u32);
	__type(value, struct lb_table);
} tables SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct lb_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_DEVICE_PLACES);
	__type(key, __u32);
	__type(value, struct lb_devices);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct lb_flow_key);
	__type(value, struct lb_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct lb_counters);
} service_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct lb_counters);
} backend_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} reasons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_settings);
} settings SEC(".maps");

/* Where the first fragment of a packet went, for the others, which have no ports. The program's own. */
struct fragment_key {
	struct lb_address source;
	struct lb_address destination;
	__be32 id;
	__u8 protocol; /* 0 in IPv6, whose ids are of the addresses alone (RFC 8200 4.5) */
	__u8 family;
	__u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct fragment_key);
	__type(value, struct fragment);
} fragments SEC(".maps");

/* How often something was done in this second, on this CPU. The program's own. */
enum { RATE_FLOWS, RATE_ANSWERS, RATES };

struct rate {
	__u64 second;
	__u64 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RATES);
	__type(key, __u32);
	__type(value, struct rate);
} rates SEC(".maps");

static __always_inline void count_reason(__u32 reason)
{
	__u64 *packets = bpf_map_lookup_elem(&reasons, &reason);

	if (packets)
		++*packets;
}

static __always_inline void add_packet(struct lb_counters *counters, __u32 bytes, bool new_flow)
{
	if (!counters)
		return;
	++counters->packets;
	counters->bytes += bytes;
	counters->flows += new_flow;
}

/* The clock is read only where a flow is stored or an error answered, which cost far more than it. */
static __always_inline bool within_rate(__u32 which, __u32 limit)
{
	struct rate *rate = bpf_map_lookup_elem(&rates, &which);
	__u64 second = bpf_ktime_get_ns() / 1000000000;

	if (!rate)
		return false;
	if (rate->second != second) {
		rate->second = second;
		rate->count = 0;
	}
	if (rate->count >= limit)
		return false;
	++rate->count;
	return true;
}

static __always_inline struct lb_settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

#endif
