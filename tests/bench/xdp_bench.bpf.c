/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What xdp_bench lets the kernel run a million times in one call. The frame is not made anew in between, so
 * the balancer is wrapped: what it did to the frame is undone behind it. */

/* Inlined where it is called, so that the call costs nothing. */
struct xdp_md;
int balance(struct xdp_md *ctx) __attribute__((always_inline));

#include "bpf/lb.bpf.c"

#define TUNNEL ((int)sizeof(struct iphdr))

/* How many flows take turns, less one: 2^n - 1. 0: the flow is always the frame's own. */
const volatile __u32 last_flow = 0;
__u32 flow_number = 0;
__u32 outside = 0;

/* Ethernet, and of IP what a balancer changes: hop limit, checksum. */
struct headers {
	__u64 words[4];
};

static __always_inline struct headers *headers_of(struct xdp_md *ctx)
{
	struct headers *headers = (void *)(long)ctx->data;

	return (void *)(headers + 1) <= (void *)(long)ctx->data_end ? headers : NULL;
}

static __always_inline void next_flow(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct tcphdr *tcp = (void *)(ip + 1);

	if (!last_flow || (void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return;
	flow_number = (flow_number + 1) & last_flow;
	tcp->source = (__u16)flow_number;
	ip->saddr = bpf_htonl(10U << 24 | flow_number >> 16);
}

static __always_inline int restore(struct xdp_md *ctx, const struct headers *before)
{
	struct headers *headers = headers_of(ctx);

	if (!headers)
		return XDP_ABORTED;
	*headers = *before;
	return XDP_TX;
}

/* --- the balancer, wrapped; and what the wrapper costs without it */

SEC("xdp")
int l2(struct xdp_md *ctx)
{
	struct headers *headers, before;

	next_flow(ctx);
	headers = headers_of(ctx);
	if (!headers)
		return XDP_ABORTED;
	before = *headers;
	if (balance(ctx) != XDP_TX)
		return XDP_ABORTED;
	return restore(ctx, &before);
}

SEC("xdp")
int l2_undo(struct xdp_md *ctx)
{
	struct headers *headers, before;

	next_flow(ctx);
	headers = headers_of(ctx);
	if (!headers)
		return XDP_ABORTED;
	before = *headers;
	barrier();
	return restore(ctx, &before);
}

SEC("xdp")
int ipip(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx), before;

	if (!headers)
		return XDP_ABORTED;
	before = *headers;
	if (balance(ctx) != XDP_TX || bpf_xdp_adjust_head(ctx, TUNNEL))
		return XDP_ABORTED;
	return restore(ctx, &before);
}

/* The outer header is put before the frame and taken off by turns: one bpf_xdp_adjust_head for a packet, as
 * in the wrapper. */
SEC("xdp")
int ipip_undo(struct xdp_md *ctx)
{
	struct headers *headers = headers_of(ctx), before;

	if (!headers)
		return XDP_ABORTED;
	before = *headers;
	outside = !outside;
	if (bpf_xdp_adjust_head(ctx, outside ? -TUNNEL : TUNNEL))
		return XDP_ABORTED;
	return restore(ctx, &before);
}

/* --- floors */

SEC("xdp")
int send_back(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

/* The least that forwards TCP: headers within the frame, MACs swapped. */
SEC("xdp")
int parse_and_swap(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct tcphdr *tcp;
	__u8 protocol;

	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if ((void *)(ip + 1) > end)
			return XDP_PASS;
		protocol = ip->protocol;
		tcp = (void *)ip + ip->ihl * 4;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		if ((void *)(ip6 + 1) > end)
			return XDP_PASS;
		protocol = ip6->nexthdr;
		tcp = (void *)(ip6 + 1);
	} else {
		return XDP_PASS;
	}
	if (protocol != IPPROTO_TCP || (void *)(tcp + 1) > end)
		return XDP_PASS;
	swap_macs(eth);
	return XDP_TX;
}
