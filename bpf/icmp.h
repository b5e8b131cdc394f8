/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* ICMP and ICMPv6: what their messages are about, and those that are sent from here. */
#ifndef SASPD_BPF_ICMP_H
#define SASPD_BPF_ICMP_H

#include "bpf/checksum.h"
#include "bpf/parsing.h"

/* RFC 792 and RFC 4443. The kernel's header of ICMP needs a C library, which BPF has not. */
enum {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_FRAGMENTATION_NEEDED = 4, /* a code of it */
	ICMP_ECHO_REQUEST = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_TIME_EXCEEDED = 3,
	ICMPV6_PARAMETER_PROBLEM = 4,
	ICMPV6_ECHO_REQUEST = 128,
	ICMPV6_ECHO_REPLY = 129,
};

#define ANSWER_HOP_LIMIT 64
#define IPV6_MIN_MTU 1280
/* Of both protocols: the 8 bytes before what an error embeds, or an echo carries. */
struct icmp_message {
	__u8 type;
	__u8 code;
	__u16 checksum;
	__u16 unused;
	__be16 mtu;
};

/* RFC 1812 4.3.2.3: of the packet as much as fits in 576 bytes. RFC 4443 2.4 (c): in 1280. */
#define ICMP_ROOM (576 - sizeof(struct iphdr) - sizeof(struct icmp_message))
#define ICMPV6_ROOM (IPV6_MIN_MTU - sizeof(struct ipv6hdr) - sizeof(struct icmp_message))

static __always_inline struct icmp_message *parse_icmp(const struct packet *packet, void *end)
{
	struct icmp_message *message = packet->transport;

	if ((void *)(message + 1) > end || packet->transport_length < sizeof(*message))
		return NULL;
	return message;
}

static __always_inline bool is_icmp_error(const struct packet *packet, __u8 type)
{
	if (packet->flow.family == LB_IPV6)
		return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER_PROBLEM;
	return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETER_PROBLEM;
}

/* Nothing is sent to a source that is no single host (RFC 1122 3.2.2, RFC 4443 2.4 (e)). */
static __always_inline bool is_answerable(const struct lb_flow_key *flow)
{
	const __u8 *source = flow->source.bytes;
	const __u64 *halves = (const __u64 *)source;

	if (flow->family == LB_IPV6)
		return source[0] != 0xFF && (halves[0] | halves[1]);
	return source[0] != 0 && source[0] != 127 && source[0] < 224;
}

/* One whose reply is the same packet turned round. Options would have to be turned round too (RFC 1122
 * 3.2.2.6). */
static __always_inline bool is_echo_request(const struct packet *packet,
                                            const struct icmp_message *message)
{
	bool v4 = packet->flow.family == LB_IPV4;
	__u32 plain = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return message->type == (v4 ? ICMP_ECHO_REQUEST : ICMPV6_ECHO_REQUEST) &&
	       message->code == 0 && packet->length - packet->transport_length == plain &&
	       is_answerable(&packet->flow);
}

/* The flow, as its client sends it, whose answer an ICMP error is about: the error embeds a packet that a
 * backend sent from the address of the service. RFC 792 promises 8 bytes behind its IP header. */
static __always_inline bool parse_embedded(struct xdp_md *ctx, const struct packet *packet,
                                           struct lb_flow_key *flow)
{
	void *end = (void *)(long)ctx->data_end;
	void *embedded = packet->transport + sizeof(struct icmp_message);
	const __u64 *ours = (const __u64 *)&flow->destination;
	const __u64 *theirs = (const __u64 *)&packet->flow.destination;
	struct packet about = {};
	bool whole = packet->flow.family == LB_IPV4 ? parse_ipv4(embedded, end, &about)
	                                            : parse_ipv6(ctx, embedded, end, &about);

	if (!whole || about.fragment == LATER_FRAGMENT || !parse_ports(&about, end))
		return false;
	if (packet->transport_length <
	    sizeof(struct icmp_message) + 8 + (about.length - about.transport_length))
		return false;
	flow->source = about.flow.destination;
	flow->destination = about.flow.source;
	flow->source_port = about.flow.destination_port;
	flow->destination_port = about.flow.source_port;
	flow->protocol = about.flow.protocol;
	flow->family = about.flow.family;
	return ours[0] == theirs[0] && ours[1] == theirs[1];
}

static __always_inline void swap_macs(struct ethhdr *eth)
{
	struct ethhdr before = *eth;

	copy_mac(eth->h_dest, before.h_source);
	copy_mac(eth->h_source, before.h_dest);
}

static __always_inline enum lb_reason answer_echo(struct xdp_md *ctx, const struct packet *packet)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct icmp_message *message;
	__u16 before;

	if (packet->flow.family == LB_IPV4) {
		message = (void *)(ip + 1);
		if ((void *)(message + 1) > end)
			return LB_DROP_INTERNAL;
		ip->check = checksum_after(ip->check, bpf_htons((__u16)(ip->ttl << 8)),
		                           bpf_htons(ANSWER_HOP_LIMIT << 8));
		ip->ttl = ANSWER_HOP_LIMIT;
		__builtin_memcpy(&ip->saddr, &packet->flow.destination, 4);
		__builtin_memcpy(&ip->daddr, &packet->flow.source, 4);
		message->type = ICMP_ECHO_REPLY;
		before = bpf_htons(ICMP_ECHO_REQUEST << 8);
	} else {
		message = (void *)(ip6 + 1);
		if ((void *)(message + 1) > end)
			return LB_DROP_INTERNAL;
		ip6->hop_limit = ANSWER_HOP_LIMIT;
		__builtin_memcpy(&ip6->saddr, &packet->flow.destination, 16);
		__builtin_memcpy(&ip6->daddr, &packet->flow.source, 16);
		message->type = ICMPV6_ECHO_REPLY;
		before = bpf_htons(ICMPV6_ECHO_REQUEST << 8);
	}
	message->checksum = checksum_after(message->checksum, before,
	                                   bpf_htons((__u16)(message->type << 8)));
	/* The same number, and what is right too should the whole reply be zeros. */
	if (!message->checksum)
		message->checksum = 0xFFFF;
	swap_macs(eth);
	return LB_ANSWERED_ECHO;
}

/* Cuts the frame to `room` bytes of its IP packet and puts `headers` bytes before that. The Ethernet
 * header, turned round, is where the frame now begins. NULL: the kernel refused. */
static __always_inline struct ethhdr *make_room(struct xdp_md *ctx, __u32 room, __u32 headers)
{
	int surplus = (int)(frame_length(ctx) - sizeof(struct ethhdr) - room);
	struct ethhdr *eth, *before;

	if (surplus > 0 && bpf_xdp_adjust_tail(ctx, -surplus))
		return NULL;
	if (bpf_xdp_adjust_head(ctx, -(int)headers))
		return NULL;
	eth = (void *)(long)ctx->data;
	before = (void *)eth + headers;
	if ((void *)(before + 1) > (void *)(long)ctx->data_end)
		return NULL;
	copy_mac(eth->h_dest, before->h_source);
	copy_mac(eth->h_source, before->h_dest);
	eth->h_proto = before->h_proto;
	return eth;
}

/* Of a packet as much as an error may embed, in whole words, for the checksum. */
static __always_inline __u32 embedded_length(__u32 length, __u32 room)
{
	return length < room ? length & ~3U : room;
}

/* Type, code and the word behind the checksum. */
static __always_inline struct icmp_message error_message(__u32 type_and_code, __u32 mtu)
{
	return (struct icmp_message){
		.type = (__u8)(type_and_code >> 8),
		.code = (__u8)type_and_code,
		.mtu = bpf_htons((__u16)mtu),
	};
}

/* Turns the packet in the frame into an ICMP error about it, from whom it was for to whom it is from. True:
 * done. These two are given numbers only, so that the verifier looks at them once. */
static __noinline int answer_error_ipv4(struct xdp_md *ctx, __u32 type_and_code, __u32 mtu)
{
	const struct iphdr *about = (void *)(long)ctx->data + sizeof(struct ethhdr);
	struct iphdr header = {
		.version = 4,
		.ihl = 5,
		.tos = 0xC0, /* RFC 1812 4.3.2.5: internetwork control */
		.frag_off = bpf_htons(IPV4_DONT_FRAGMENT),
		.ttl = ANSWER_HOP_LIMIT,
		.protocol = IPPROTO_ICMP,
	};
	struct icmp_message *message;
	struct ethhdr *eth;
	struct iphdr *ip;
	void *end;
	__u32 room;

	if ((void *)(about + 1) > (void *)(long)ctx->data_end)
		return false;
	room = embedded_length(bpf_ntohs(about->tot_len), ICMP_ROOM);
	header.tot_len = bpf_htons((__u16)(sizeof(header) + sizeof(*message) + room));
	header.saddr = about->daddr;
	header.daddr = about->saddr;
	header.check = checksum_of(sum_of((const __u32 *)&header, sizeof(header) / 4));

	eth = make_room(ctx, room, sizeof(*ip) + sizeof(*message));
	if (!eth)
		return false;
	end = (void *)(long)ctx->data_end;
	ip = (void *)(eth + 1);
	message = (void *)(ip + 1);
	if ((void *)(message + 1) > end)
		return false;
	*ip = header;
	*message = error_message(type_and_code, mtu);
	message->checksum = checksum_of(sum_to(end, message, (sizeof(*message) + ICMP_ROOM) / 4));
	return true;
}

static __noinline int answer_error_ipv6(struct xdp_md *ctx, __u32 type_and_code, __u32 mtu)
{
	const struct ipv6hdr *about = (void *)(long)ctx->data + sizeof(struct ethhdr);
	struct in6_addr source, destination;
	struct icmp_message *message;
	struct ethhdr *eth;
	struct ipv6hdr *ip;
	__u32 room, length;
	void *end;
	__u64 sum;

	if ((void *)(about + 1) > (void *)(long)ctx->data_end)
		return false;
	room = embedded_length(sizeof(*about) + bpf_ntohs(about->payload_len), ICMPV6_ROOM);
	length = sizeof(*message) + room;
	source = about->daddr;
	destination = about->saddr;

	eth = make_room(ctx, room, sizeof(*ip) + sizeof(*message));
	if (!eth)
		return false;
	end = (void *)(long)ctx->data_end;
	ip = (void *)(eth + 1);
	message = (void *)(ip + 1);
	if ((void *)(message + 1) > end)
		return false;
	*(__be32 *)ip = bpf_htonl(6u << 28);
	ip->payload_len = bpf_htons((__u16)length);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ANSWER_HOP_LIMIT;
	ip->saddr = source;
	ip->daddr = destination;
	*message = error_message(type_and_code, mtu);
	/* RFC 4443 2.3, with the pseudo header of RFC 8200 8.1 */
	sum = sum_of((const __u32 *)&ip->saddr, 8) + bpf_htonl(length) + bpf_htonl(IPPROTO_ICMPV6);
	message->checksum = checksum_of(sum +
	                                sum_to(end, message, (sizeof(*message) + ICMPV6_ROOM) / 4));
	return true;
}

/* An error is never answered with one, nor is a later fragment (RFC 1122 3.2.2, RFC 4443 2.4 (e)). */
static __always_inline bool wants_error(const struct packet *packet)
{
	return !packet->is_error && packet->fragment != LATER_FRAGMENT &&
	       is_answerable(&packet->flow);
}

static __always_inline bool may_fragment(struct xdp_md *ctx)
{
	struct iphdr *ip = (void *)(long)ctx->data + sizeof(struct ethhdr);

	return (void *)(ip + 1) <= (void *)(long)ctx->data_end &&
	       !(ip->frag_off & bpf_htons(IPV4_DONT_FRAGMENT));
}

/* Whether the sender of a packet that does not fit is to be told: it asked to know (RFC 1191), or it can send
 * smaller ones (RFC 8200 5). */
static __always_inline bool wants_too_big(struct xdp_md *ctx, const struct packet *packet)
{
	if (!wants_error(packet))
		return false;
	return packet->flow.family == LB_IPV4 ? !may_fragment(ctx) : packet->length > IPV6_MIN_MTU;
}

/* What is answered: "time exceeded in transit" (RFC 792, RFC 4443 3.3), when `mtu` is 0; else "fragmentation
 * needed" (RFC 792, RFC 1191 4) or "packet too big" (RFC 4443 3.2), with what would have fitted, for the
 * packet as it came. */
static __always_inline enum lb_reason answer_error(struct xdp_md *ctx, const struct packet *packet,
                                                   __u32 mtu)
{
	bool answered;

	if (packet->flow.family == LB_IPV4)
		answered = answer_error_ipv4(ctx,
		                             mtu ? ICMP_UNREACHABLE << 8 | ICMP_FRAGMENTATION_NEEDED
		                                 : ICMP_TIME_EXCEEDED << 8,
		                             mtu);
	else
		answered = answer_error_ipv6(ctx,
		                             (mtu ? ICMPV6_TOO_BIG : ICMPV6_TIME_EXCEEDED) << 8,
		                             mtu && mtu < IPV6_MIN_MTU ? IPV6_MIN_MTU : mtu);
	if (!answered)
		return LB_DROP_INTERNAL;
	return mtu ? LB_ANSWERED_TOO_BIG : LB_ANSWERED_TIME_EXCEEDED;
}

#endif
