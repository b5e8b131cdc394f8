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

#define MAX_EXTENSION_HEADERS 5

enum { NO_FRAGMENT, FIRST_FRAGMENT, LATER_FRAGMENT };

/* Where the first fragment of a packet went. */
struct fragment {
	__u16 backend;
	__u16 generation;
	__be16 port; /* of the service */
	__u8 protocol;
	__u8 zero;
};

struct packet {
	struct lb_flow_key flow; /* without ports as long as parse_ports was not called */
	void *transport; /* behind the IP header; not yet compared with the end of the frame */
	__u32 length;    /* of the IP packet, as its header says */
	__u32 transport_length; /* what of it is behind the IP header */
	__u32 frame_length;
	__be32 fragment_id;
	struct fragment first; /* of a later fragment */
	__u8 fragment;
	__u8 hop_limit;
	__u8 own_source; /* not 0: its source MAC is this host's */
	bool is_error;   /* of ICMP: `flow` is that which it is about */
};

/* RFC 8200 4: the first 8 bytes of any extension header that is skipped. */
struct ipv6_extension {
	__u8 next_header;
	__u8 length; /* in units of 8 bytes, less the first; nothing in a fragment header */
	union {
		__be16 fragment_offset;
		struct {
			__u8 routing_type;
			__u8 segments_left;
		};
	};
	__be32 identification; /* of a fragment header */
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
	packet->fragment_id = ip->id;
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

static __always_inline bool is_extension(__u8 protocol)
{
	return protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_HOPOPTS ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_ROUTING;
}

/* What is behind extension headers, in one number, so that the verifier looks at this function once. */
#define EXTENSIONS_MALFORMED (~0ULL)
#define EXTENSIONS_MASK 0x3FF8 /* of how many bytes they are, a multiple of 8 */
#define EXTENSIONS_BEGIN 6     /* where in 8 bytes of a frame they begin: behind 14 and 40 bytes */
static __always_inline __u64 behind_extensions(__be32 fragment_id, __u32 length, __u8 fragment,
                                               __u8 protocol)
{
	return (__u64)fragment_id << 32 | (length & EXTENSIONS_MASK) << 16 | fragment << 8 |
	       protocol;
}

/* The same number, of which the verifier knows nothing any more: so it goes on once, and not once for each
 * way by which the number came about. Global, for that is looked at by itself. */
__noinline __u64 forget(__u64 number)
{
	asm volatile("" : "+r"(number));
	return number;
}

/* Looks behind IPv6 extension headers that begin `offset` bytes into the frame, up to a number of them and
 * to `left` bytes. Not behind the fragment header of a later fragment, where no header is; nor behind a
 * routing header with segments left, whose packet ends elsewhere and is for the host's own stack. */
static __noinline __u64 skip_extensions(struct xdp_md *ctx, __u32 offset, __u32 left,
                                        __u32 protocol)
{
	void *end = (void *)(long)ctx->data_end;
	void *first = (void *)(long)ctx->data + EXTENSIONS_BEGIN + (offset & EXTENSIONS_MASK);
	struct ipv6_extension *header;
	__be32 fragment_id = 0;
	__u8 fragment = NO_FRAGMENT;
	__u32 skipped = 0, length;
	int i;

	for (i = 0; i < MAX_EXTENSION_HEADERS; ++i) {
		if (fragment == LATER_FRAGMENT || !is_extension(protocol))
			break;
		header = first + (skipped & EXTENSIONS_MASK);
		if ((void *)(header + 1) > end)
			return EXTENSIONS_MALFORMED;
		if (protocol == IPPROTO_ROUTING && header->segments_left)
			break;
		length = sizeof(*header);
		if (protocol != IPPROTO_FRAGMENT) {
			length += header->length * 8U;
		} else {
			fragment_id = header->identification;
			/* Neither: an atomic fragment, which is a whole packet (RFC 6946). */
			if (header->fragment_offset & bpf_htons(IPV6_FRAGMENT_OFFSET))
				fragment = LATER_FRAGMENT;
			else if (header->fragment_offset & bpf_htons(IPV6_MORE_FRAGMENTS))
				fragment = FIRST_FRAGMENT;
		}
		skipped += length;
		if (skipped > left)
			return EXTENSIONS_MALFORMED;
		protocol = header->next_header;
	}
	return behind_extensions(fragment_id, skipped, fragment, (__u8)protocol);
}

static __always_inline bool parse_extensions(struct xdp_md *ctx, struct packet *packet)
{
	__u32 offset = (__u32)(packet->transport - (void *)(long)ctx->data);
	__u64 behind = forget(
		skip_extensions(ctx, offset, packet->transport_length, packet->flow.protocol));
	__u32 skipped = (behind >> 16) & EXTENSIONS_MASK;

	if (behind == EXTENSIONS_MALFORMED)
		return false;
	packet->transport += skipped;
	packet->transport_length -= skipped;
	packet->fragment_id = behind >> 32;
	packet->fragment = (__u8)(behind >> 8);
	packet->flow.protocol = (__u8)behind;
	return true;
}

static __always_inline bool parse_ipv6(struct xdp_md *ctx, void *pos, void *end,
                                       struct packet *packet)
{
	struct ipv6hdr *ip = pos;

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
	return !is_extension(ip->nexthdr) || parse_extensions(ctx, packet);
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

	if (packet->flow.protocol != IPPROTO_TCP || packet->is_error ||
	    packet->fragment == LATER_FRAGMENT)
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

/* Computed as wide as a pointer: the verifier loses a pointer of 32 bits. */
static __always_inline __u32 frame_length(const struct xdp_md *ctx)
{
	__u64 length = (void *)(long)ctx->data_end - (void *)(long)ctx->data;

	asm volatile("" : "+r"(length));
	return (__u32)length;
}

/* The IP packet in a frame. */
static __always_inline enum lb_reason parse_frame(struct xdp_md *ctx, struct packet *packet)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	bool whole;

	packet->frame_length = frame_length(ctx);
	if ((void *)(eth + 1) > end)
		return LB_PASS_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		whole = parse_ipv4(eth + 1, end, packet);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		whole = parse_ipv6(ctx, eth + 1, end, packet);
	else
		return LB_PASS_NOT_IP;
	if (!whole || sizeof(*eth) + packet->length > packet->frame_length)
		return LB_PASS_MALFORMED;
	if (eth->h_dest[0] & 1) /* a broadcast never requests a service */
		return LB_PASS_NO_SERVICE;
	return LB_UNDECIDED;
}

#endif
