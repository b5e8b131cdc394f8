/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* From the bytes of a frame to what the XDP program asks about it. */
#ifndef SASPD_BPF_PARSING_H
#define SASPD_BPF_PARSING_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "bpf/lb.h"

#define LB_UNDECIDED LB_REASONS /* for functions that may end the matter, or not */

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT 0x4000
#define IPV4_FRAGMENT_OFFSET 0x1FFF
#define IPV6_FRAGMENT_OFFSET 0xFFF8
#define IPV6_MORE_FRAGMENTS 0x0001

enum { NO_FRAGMENT, FIRST_FRAGMENT, LATER_FRAGMENT };

struct packet {
	struct lb_flow_key flow; /* without ports as long as parse_ports was not called */
	void *transport;         /* behind the IP header; not yet compared with the end of the frame */
	__u32 length;            /* of the IP packet, as its header says */
	__u32 transport_length;  /* what of it is behind the IP header */
	__u64 frame_length;      /* as wide as a pointer: the verifier loses a pointer of 32 bits */
	__u8 fragment;
	__u8 hop_limit;
};

/* RFC 8200 4.5 */
struct ipv6_fragment {
	__u8 next_header;
	__u8 reserved;
	__be16 offset;
	__be32 identification;
};

static __always_inline void copy_mac(void *to, const void *from)
{
	__u16 *target = to;
	const __u16 *source = from;

	target[0] = source[0];
	target[1] = source[1];
	target[2] = source[2];
}

static __always_inline bool parse_ipv4(void *pos, void *end, struct packet *packet)
{
	struct iphdr *ip = pos;
	__u32 header_length;

	if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
		return false;
	header_length = ip->ihl * 4;
	packet->length = bpf_ntohs(ip->tot_len);
	if (packet->length < header_length)
		return false;
	packet->transport = pos + header_length;
	packet->transport_length = packet->length - header_length;
	packet->hop_limit = ip->ttl;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_OFFSET))
		packet->fragment = LATER_FRAGMENT;
	else if (ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS))
		packet->fragment = FIRST_FRAGMENT;
	__builtin_memcpy(&packet->flow.source, &ip->saddr, 4);
	__builtin_memcpy(&packet->flow.destination, &ip->daddr, 4);
	packet->flow.protocol = ip->protocol;
	packet->flow.family = LB_IPV4;
	return true;
}

/* A fragment header is looked behind, other extension headers are not. */
static __always_inline bool parse_ipv6(void *pos, void *end, struct packet *packet)
{
	struct ipv6hdr *ip = pos;
	struct ipv6_fragment *fragment = (void *)(ip + 1);

	if ((void *)(ip + 1) > end || ip->version != 6)
		return false;
	packet->transport = ip + 1;
	packet->transport_length = bpf_ntohs(ip->payload_len);
	packet->length = sizeof(*ip) + packet->transport_length;
	packet->hop_limit = ip->hop_limit;
	__builtin_memcpy(&packet->flow.source, &ip->saddr, 16);
	__builtin_memcpy(&packet->flow.destination, &ip->daddr, 16);
	packet->flow.protocol = ip->nexthdr;
	packet->flow.family = LB_IPV6;
	if (ip->nexthdr != IPPROTO_FRAGMENT)
		return true;

	if ((void *)(fragment + 1) > end || packet->transport_length < sizeof(*fragment))
		return false;
	/* Neither: an atomic fragment, which is a whole packet (RFC 6946). */
	if (fragment->offset & bpf_htons(IPV6_FRAGMENT_OFFSET))
		packet->fragment = LATER_FRAGMENT;
	else if (fragment->offset & bpf_htons(IPV6_MORE_FRAGMENTS))
		packet->fragment = FIRST_FRAGMENT;
	packet->transport = fragment + 1;
	packet->transport_length -= sizeof(*fragment);
	packet->flow.protocol = fragment->next_header;
	return true;
}

/* The ports are at the same place in TCP and UDP. */
static __always_inline bool parse_ports(struct packet *packet, void *end)
{
	__be16 *ports = packet->transport;

	if ((void *)(ports + 4) > end || packet->transport_length < 8)
		return false;
	packet->flow.source_port = ports[0];
	packet->flow.destination_port = ports[1];
	return true;
}

/* Whether a packet opens a TCP connection. LB_PASS_MALFORMED or LB_UNDECIDED. */
static __always_inline enum lb_reason parse_syn(const struct packet *packet, void *end, bool *syn)
{
	const struct tcphdr *tcp = packet->transport;

	if (packet->flow.protocol != IPPROTO_TCP)
		return LB_UNDECIDED;
	if ((void *)(tcp + 1) > end || packet->transport_length < sizeof(*tcp))
		return LB_PASS_MALFORMED;
	*syn = tcp->syn && !tcp->ack;
	return LB_UNDECIDED;
}

static __always_inline bool is_icmp(const struct packet *packet)
{
	return packet->flow.protocol ==
	       (packet->flow.family == LB_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static __always_inline bool is_balanced(const struct packet *packet)
{
	return packet->flow.protocol == IPPROTO_TCP || packet->flow.protocol == IPPROTO_UDP;
}

/* The IP packet in a frame. */
static __always_inline enum lb_reason parse_frame(struct xdp_md *ctx, struct packet *packet)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	bool whole;

	packet->frame_length = end - (void *)eth;
	if ((void *)(eth + 1) > end)
		return LB_PASS_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		whole = parse_ipv4(eth + 1, end, packet);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		whole = parse_ipv6(eth + 1, end, packet);
	else
		return LB_PASS_NOT_IP;
	if (!whole || sizeof(*eth) + packet->length > packet->frame_length)
		return LB_PASS_MALFORMED;
	if (eth->h_dest[0] & 1) /* a broadcast is nobody's request to a service */
		return LB_PASS_NO_SERVICE;
	return LB_UNDECIDED;
}

#endif
