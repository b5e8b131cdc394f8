/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The way to a backend: MACs, and outer headers for IPIP (RFC 2003), IP6IP6 and 4-in-6 (RFC 2473) and
 * 6-in-4 (RFC 4213). */
#ifndef SASPD_BPF_ENCAPSULATION_H
#define SASPD_BPF_ENCAPSULATION_H

#include "bpf/checksum.h"
#include "bpf/parsing.h"

#define OUTER_HOP_LIMIT 64

static __always_inline __u32 outer_length(const struct lb_backend *backend)
{
	return backend->family == LB_IPV4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* What of the inner header is repeated in the outer one. */
struct inner {
	__u32 length;
	__u8 protocol; /* IPPROTO_IPIP or IPPROTO_IPV6 */
	__u8 traffic_class;
	__be16 id;
	__be16 dont_fragment;
};

static __always_inline bool read_inner(void *network, void *end, const struct packet *packet,
                                       struct inner *inner)
{
	struct iphdr *ip = network;
	struct ipv6hdr *ip6 = network;

	inner->length = packet->length;
	if (packet->flow.family == LB_IPV4) {
		if ((void *)(ip + 1) > end)
			return false;
		inner->protocol = IPPROTO_IPIP;
		inner->traffic_class = ip->tos;
		inner->id = ip->id;
		inner->dont_fragment = ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT);
	} else {
		if ((void *)(ip6 + 1) > end)
			return false;
		inner->protocol = IPPROTO_IPV6;
		inner->traffic_class = (__u8)(ip6->priority << 4 | ip6->flow_lbl[0] >> 4);
		/* A static tunnel of RFC 4213 3.2.1: may be fragmented, so it needs an identification. */
		inner->id = (__be16)bpf_get_prandom_u32();
		inner->dont_fragment = 0;
	}
	return true;
}

static __always_inline void write_outer_ipv4(struct iphdr *outer, const struct inner *inner,
                                             const struct lb_address *destination, __u32 hash,
                                             const struct lb_settings *settings)
{
	const __u8 *prefix = settings->outer_source_v4;
	struct iphdr header = {
		.version = 4,
		.ihl = 5,
		.tos = inner->traffic_class,
		.tot_len = bpf_htons((__u16)(sizeof(header) + inner->length)),
		.id = inner->id,
		.frag_off = inner->dont_fragment,
		.ttl = OUTER_HOP_LIMIT,
		.protocol = inner->protocol,
		.saddr = bpf_htonl((__u32)prefix[0] << 24 | (__u32)prefix[1] << 16 |
	                           (hash & 0xFFFF)),
	};

	__builtin_memcpy(&header.daddr, destination, 4);
	header.check = checksum_of(sum_of((const __u32 *)&header, sizeof(header) / 4));
	*outer = header;
}

static __always_inline void write_outer_ipv6(struct ipv6hdr *outer, const struct inner *inner,
                                             const struct lb_address *destination, __u32 hash,
                                             const struct lb_settings *settings)
{
	/* version, traffic class, flow label (RFC 6438: routers spread tunnels by it) */
	*(__be32 *)outer = bpf_htonl(6u << 28 | (__u32)inner->traffic_class << 20 |
	                             (hash & 0xFFFFF));
	outer->payload_len = bpf_htons((__u16)inner->length);
	outer->nexthdr = inner->protocol;
	outer->hop_limit = OUTER_HOP_LIMIT;
	__builtin_memcpy(&outer->saddr, settings->outer_source_v6, 8);
	outer->saddr.s6_addr32[2] = 0;
	outer->saddr.s6_addr32[3] = bpf_htonl(hash);
	__builtin_memcpy(&outer->daddr, destination, 16);
}

static __always_inline void write_macs(struct ethhdr *eth, const struct lb_backend *backend)
{
	copy_mac(eth->h_dest, backend->next_hop);
	copy_mac(eth->h_source, backend->source);
}

/* LB_UNDECIDED: done. */
static __always_inline enum lb_reason encapsulate(struct xdp_md *ctx, const struct packet *packet,
                                                  const struct lb_backend *backend, __u64 hash,
                                                  const struct lb_settings *settings)
{
	int padding = (int)(packet->frame_length - sizeof(struct ethhdr) - packet->length);
	bool over_ipv4 = backend->family == LB_IPV4;
	struct inner inner = {};
	struct ethhdr *eth;
	void *outer, *end;

	/* Behind an outer header the receiver would take the padding for a part of the packet. */
	if (padding > 0 && bpf_xdp_adjust_tail(ctx, -padding))
		return LB_DROP_INTERNAL;
	if (bpf_xdp_adjust_head(ctx, over_ipv4 ? -(int)sizeof(struct iphdr)
	                                       : -(int)sizeof(struct ipv6hdr)))
		return LB_DROP_INTERNAL;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	outer = eth + 1;
	if (over_ipv4) {
		if (!read_inner(outer + sizeof(struct iphdr), end, packet, &inner))
			return LB_DROP_INTERNAL;
		write_outer_ipv4(outer, &inner, &backend->address, (__u32)hash, settings);
		eth->h_proto = bpf_htons(ETH_P_IP);
	} else {
		if (!read_inner(outer + sizeof(struct ipv6hdr), end, packet, &inner))
			return LB_DROP_INTERNAL;
		write_outer_ipv6(outer, &inner, &backend->address, (__u32)hash, settings);
		eth->h_proto = bpf_htons(ETH_P_IPV6);
	}
	write_macs(eth, backend);
	return LB_UNDECIDED;
}

#endif
