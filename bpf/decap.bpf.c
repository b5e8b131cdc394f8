/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* For backends that have no tunnel device: takes the outer header off packets that are for one of our
 * addresses, as the balancer puts it on (forward=ipip). Everything else passes untouched. As root:
 *
 *   bpftool prog load decap.bpf.o /sys/fs/bpf/decap pinmaps /sys/fs/bpf/decap_maps
 *   bpftool map update pinned /sys/fs/bpf/decap_maps/addresses \
 *     key 192 0 2 10 0 0 0 0 0 0 0 0 0 0 0 0 4 0 0 0 value 1 0 0 0
 *   bpftool net attach xdp pinned /sys/fs/bpf/decap dev eth0
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/checksum.h"
#include "bpf/lb.h"
#include "bpf/parsing.h"

#define ECN_MASK 3
#define ECN_CE 3

/* Filled by the operator; the values have no meaning. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct lb_address_key);
	__type(value, __u32);
} addresses SEC(".maps");

static __always_inline __u8 traffic_class(const void *network, __u8 family)
{
	const __u8 *bytes = network;

	return family == LB_IPV4 ? bytes[1] : (__u8)(bytes[0] << 4 | bytes[1] >> 4);
}

static __always_inline void mark_congestion(void *network, __u8 family)
{
	struct iphdr *ip = network;
	__u8 *bytes = network;
	__u8 before;

	if (family == LB_IPV4) {
		before = ip->tos;
		ip->tos |= ECN_CE;
		ip->check = checksum_after(ip->check, bpf_htons(before), bpf_htons(ip->tos));
	} else {
		bytes[1] |= ECN_CE << 4;
	}
}

/* The inner packet of an outer one, if it is ours. */
static __always_inline bool parse_inner(struct xdp_md *ctx, const struct packet *outer,
                                        struct packet *inner)
{
	void *end = (void *)(long)ctx->data_end;
	struct lb_address_key key;

	if (outer->fragment)
		return false;
	if (outer->flow.protocol == IPPROTO_IPIP) {
		if (!parse_ipv4(outer->transport, end, inner))
			return false;
	} else if (outer->flow.protocol == IPPROTO_IPV6) {
		if (!parse_ipv6(ctx, outer->transport, end, inner))
			return false;
	} else {
		return false;
	}
	if (inner->length > outer->transport_length)
		return false;
	key.address = inner->flow.destination;
	key.family = inner->flow.family;
	return bpf_map_lookup_elem(&addresses, &key) != NULL;
}

SEC("xdp")
int decapsulate(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct packet outer = {}, inner = {};
	struct ethhdr header;
	__u8 outer_ecn, inner_ecn;

	if (parse_frame(ctx, &outer) != LB_UNDECIDED || !parse_inner(ctx, &outer, &inner))
		return XDP_PASS;

	/* RFC 6040 4.2 */
	outer_ecn = traffic_class(eth + 1, outer.flow.family) & ECN_MASK;
	inner_ecn = traffic_class(outer.transport, inner.flow.family) & ECN_MASK;
	if (outer_ecn == ECN_CE && inner_ecn == 0)
		return XDP_DROP;
	if (outer_ecn == ECN_CE)
		mark_congestion(outer.transport, inner.flow.family);

	header = *eth;
	header.h_proto = bpf_htons(inner.flow.family == LB_IPV4 ? ETH_P_IP : ETH_P_IPV6);
	if (bpf_xdp_adjust_head(ctx, (int)(outer.length - outer.transport_length)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return XDP_DROP;
	*eth = header;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
