/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The XDP program: leads the packets of services to their backends, as the tables of saspd say. What is
 * not of a service goes on to the host's own stack, untouched. The maps are described in lb.h; user space
 * sets their sizes before it loads the program. Kernel 5.10 and later. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/checksum.h"
#include "bpf/encapsulation.h"
#include "bpf/icmp.h"
#include "bpf/lb.h"
#include "bpf/link.h"
#include "bpf/maps.h"
#include "bpf/parsing.h"

/* RFC 4443 2.4 (f): ICMP errors are sent at a limited rate. Per second and CPU. */
#define MAX_ANSWERS 1000

static __always_inline struct lb_service *service_of(const struct lb_flow_key *flow)
{
	struct lb_service_key key = {
		.address = flow->destination,
		.port = flow->destination_port,
		.protocol = flow->protocol,
		.family = flow->family,
	};

	return bpf_map_lookup_elem(&services, &key);
}

/* Who gets a packet. */
struct choice {
	struct lb_backend *backend;
	__u32 number;
	__u16 generation; /* when it was chosen: the number may be given anew meanwhile */
};

static __always_inline bool choose_by_number(__u32 number, const struct lb_service *service,
                                             struct choice *choice)
{
	choice->number = number;
	choice->backend = bpf_map_lookup_elem(&backends, &number);
	if (!choice->backend)
		return false;
	choice->generation = choice->backend->generation;
	return choice->backend->flags & LB_BACKEND_PRESENT &&
	       choice->backend->service == service->number;
}

/* A dead server is not a draining one. A datagram finds another at once; a TCP connection can only end, and
 * does so at another server, which resets it. */
static __always_inline bool ends_flow(const struct lb_backend *backend,
                                      const struct lb_flow_key *key,
                                      const struct lb_service *service)
{
	return backend->flags & LB_BACKEND_LOST &&
	       (key->protocol == IPPROTO_UDP || service->flags & LB_SERVICE_DROP_LOST);
}

/* Who has the flow already. A weight of zero does not matter to it: that is how a backend drains. */
static __always_inline bool choose_by_flow(const struct lb_flow_key *key,
                                           const struct lb_service *service, struct choice *choice)
{
	struct lb_flow *flow = bpf_map_lookup_elem(&flows, key);

	return flow && choose_by_number(flow->backend, service, choice) &&
	       choice->generation == flow->generation && !ends_flow(choice->backend, key, service);
}

/* LB_SENT_FLOW or LB_SENT_TABLE, if the packet can be sent; or why it is dropped. A flow that is `fresh`
 * is led by the table: its addresses and ports may have been used before. */
static __always_inline enum lb_reason choose(const struct lb_flow_key *key,
                                             const struct lb_service *service, bool fresh,
                                             const struct lb_settings *settings,
                                             struct choice *choice)
{
	__u32 index = service->number, slot;
	struct lb_table *table;
	__u32 *in_use;

	if (!fresh && !(service->flags & LB_SERVICE_STATELESS) &&
	    choose_by_flow(key, service, choice))
		return LB_SENT_FLOW;
	in_use = bpf_map_lookup_elem(&tables_in_use, &index);
	if (!in_use)
		return LB_DROP_INTERNAL;
	index = 2 * index + *in_use;
	table = bpf_map_lookup_elem(&tables, &index);
	slot = lb_slot(key, settings->seed);
	if (!table || slot >= LB_SLOTS)
		return LB_DROP_INTERNAL;
	return choose_by_number(table->backend[slot], service, choice) ? LB_SENT_TABLE
	                                                               : LB_DROP_NO_BACKEND;
}

/* A SYN that is not stored must not leave an older flow of the same addresses and ports behind, which its
 * next packets would follow. */
static __always_inline void store_flow(const struct lb_flow_key *key, const struct choice *choice,
                                       bool syn, const struct lb_settings *settings)
{
	struct lb_flow flow = {
		.backend = (__u16)choice->number,
		.generation = choice->generation,
	};
	bool deferred = syn && settings->syn == LB_SYN_DEFER;

	if (!deferred &&
	    (!settings->new_flow_limit || within_rate(RATE_FLOWS, settings->new_flow_limit))) {
		bpf_map_update_elem(&flows, key, &flow, BPF_ANY);
		return;
	}
	if (!deferred)
		count_reason(LB_FLOW_LIMIT);
	if (syn)
		bpf_map_delete_elem(&flows, key);
}

static __always_inline struct fragment_key fragment_key_of(const struct packet *packet)
{
	bool v4 = packet->flow.family == LB_IPV4;

	return (struct fragment_key){
		.source = packet->flow.source,
		.destination = packet->flow.destination,
		.id = packet->fragment_id,
		.protocol = v4 ? packet->flow.protocol : 0,
		.family = packet->flow.family,
	};
}

/* A later fragment has no ports: its flow is that of the first one, as far as is needed. False: that one was
 * not led. */
static __noinline bool find_first_fragment(struct packet *packet)
{
	struct fragment_key key = fragment_key_of(packet);
	const struct fragment *first = bpf_map_lookup_elem(&fragments, &key);

	if (!first)
		return false;
	packet->flow.protocol = first->protocol;
	packet->flow.destination_port = first->port;
	packet->first = *first;
	return true;
}

static __always_inline enum lb_reason choose_by_fragment(const struct packet *packet,
                                                         const struct lb_service *service,
                                                         struct choice *choice)
{
	return choose_by_number(packet->first.backend, service, choice) &&
	                       choice->generation == packet->first.generation
	               ? LB_SENT_FRAGMENT
	               : LB_DROP_NO_BACKEND;
}

/* So that the other fragments follow this one. False: there are too many. */
static __noinline bool store_fragment(const struct packet *packet, const struct choice *choice,
                                      const struct lb_settings *settings)
{
	struct fragment_key key = fragment_key_of(packet);
	struct fragment fragment = {
		.backend = (__u16)choice->number,
		.generation = choice->generation,
		.port = packet->flow.destination_port,
		.protocol = packet->flow.protocol,
	};

	return (!settings->new_flow_limit || within_rate(RATE_FLOWS, settings->new_flow_limit)) &&
	       !bpf_map_update_elem(&fragments, &key, &fragment, BPF_ANY);
}

/* The caller has seen that it is above 1. */
static __always_inline bool decrement_hop_limit(struct xdp_md *ctx, __u8 family)
{
	void *end = (void *)(long)ctx->data_end;
	void *network = (void *)(long)ctx->data + sizeof(struct ethhdr);
	struct iphdr *ip = network;
	struct ipv6hdr *ip6 = network;

	if (family == LB_IPV4) {
		if ((void *)(ip + 1) > end)
			return false;
		ip->check = checksum_after(ip->check, bpf_htons(0x0100), 0);
		--ip->ttl;
	} else {
		if ((void *)(ip6 + 1) > end)
			return false;
		--ip6->hop_limit;
	}
	return true;
}

/* Where a frame came in; then where it goes out. */
struct way {
	__u32 interface;
	__u16 vlan; /* 0: untagged */
};

/* Sends a packet of a flow on to the backend. LB_UNDECIDED: done. An ICMP error about the flow comes this
 * way too. */
static __always_inline enum lb_reason send(struct xdp_md *ctx, struct packet *packet,
                                           const struct lb_service *service,
                                           const struct lb_backend *backend,
                                           const struct lb_settings *settings, struct way *way)
{
	bool tunnel = service->forward == LB_FORWARD_IPIP;
	__u32 overhead = tunnel ? outer_length(backend) : 0;
	__u32 mtu = backend->mtu ? backend->mtu : 0xFFFF;
	struct ethhdr *eth;
	bool too_big;

	if (!(backend->flags & LB_BACKEND_RESOLVED))
		return LB_DROP_NO_NEXT_HOP;
	/* What came in fits out of the same interface. */
	too_big = packet->length + overhead > mtu &&
	          (tunnel || backend->interface != way->interface || backend->vlan != way->vlan);
	if (packet->hop_limit <= 1 || too_big) {
		bool expired = packet->hop_limit <= 1;
		bool wanted = expired ? wants_error(packet) : wants_too_big(ctx, packet);

		if (!wanted || !within_rate(RATE_ANSWERS, MAX_ANSWERS))
			return expired ? LB_DROP_TTL : LB_DROP_TOO_BIG;
		return answer_error(ctx, packet, expired ? 0 : mtu - overhead);
	}
	if (!decrement_hop_limit(ctx, packet->flow.family))
		return LB_DROP_INTERNAL;
	way->interface = backend->interface;
	way->vlan = backend->vlan;
	if (tunnel)
		return encapsulate(ctx, packet, backend, lb_hash(&packet->flow, settings->seed),
		                   settings);

	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return LB_DROP_INTERNAL;
	write_macs(eth, backend);
	return LB_UNDECIDED;
}

static __always_inline void count_sent(const struct packet *packet,
                                       const struct lb_service *service,
                                       const struct choice *choice, bool new_flow)
{
	__u32 service_number = service->number, number = choice->number;

	add_packet(bpf_map_lookup_elem(&service_counters, &service_number), packet->frame_length,
	           new_flow);
	add_packet(bpf_map_lookup_elem(&backend_counters, &number), packet->frame_length, new_flow);
}

/* Leads a packet of a service, or one about its flow. */
static __always_inline enum lb_reason lead(struct xdp_md *ctx, struct packet *packet,
                                           const struct lb_service *service, bool syn,
                                           struct way *way)
{
	const struct lb_settings *settings = get_settings();
	bool is_whole = !packet->is_error && packet->fragment != LATER_FRAGMENT;
	struct choice choice;
	enum lb_reason chosen, reason;
	bool begins;

	if (!settings)
		return LB_DROP_INTERNAL;
	if (packet->own_source)
		return LB_DROP_OWN_SOURCE;
	if (packet->fragment == LATER_FRAGMENT)
		chosen = choose_by_fragment(packet, service, &choice);
	else
		chosen = choose(&packet->flow, service, syn, settings, &choice);
	if (chosen >= LB_DROP_FRAGMENT)
		return chosen;
	if (packet->fragment == FIRST_FRAGMENT && !store_fragment(packet, &choice, settings))
		return LB_DROP_FRAGMENT;
	reason = send(ctx, packet, service, choice.backend, settings, way);
	if (reason != LB_UNDECIDED)
		return reason;
	begins = is_whole && chosen == LB_SENT_TABLE;
	if (begins && !(service->flags & LB_SERVICE_STATELESS))
		store_flow(&packet->flow, &choice, syn, settings);
	begins = begins && (syn || packet->flow.protocol == IPPROTO_UDP);
	count_sent(packet, service, &choice, begins);
	return packet->is_error ? LB_SENT_ICMP_ERROR : chosen;
}

/* LB_UNDECIDED: an error about a flow of a service, which is now the packet's. It goes to the backend whose
 * packet met it, so that path MTU discovery works through us. */
static __noinline enum lb_reason handle_icmp(struct xdp_md *ctx, struct packet *packet)
{
	struct icmp_message *message = parse_icmp(packet, (void *)(long)ctx->data_end);
	struct lb_address_key destination = {packet->flow.destination, packet->flow.family};
	struct lb_flow_key flow = {};

	if (packet->fragment)
		return LB_PASS_FRAGMENT;
	if (!message)
		return LB_PASS_MALFORMED;
	if (is_icmp_error(packet, message->type)) {
		if (!parse_embedded(ctx, packet, &flow))
			return LB_PASS_ICMP;
		packet->flow = flow;
		packet->is_error = true;
		return LB_UNDECIDED;
	}
	if (!is_echo_request(packet, message) || !bpf_map_lookup_elem(&addresses, &destination))
		return LB_PASS_ICMP;
	return packet->own_source ? LB_DROP_OWN_SOURCE : answer_echo(ctx, packet);
}

/* The flow of a packet; LB_UNDECIDED: it may be that of a service. */
static __always_inline enum lb_reason find_flow(struct xdp_md *ctx, struct packet *packet)
{
	if (packet->fragment == LATER_FRAGMENT)
		return find_first_fragment(packet) ? LB_UNDECIDED : LB_PASS_FRAGMENT;
	if (is_icmp(packet))
		return handle_icmp(ctx, packet);
	if (!is_balanced(packet))
		return LB_PASS_PROTOCOL;
	return parse_ports(packet, (void *)(long)ctx->data_end) ? LB_UNDECIDED : LB_PASS_MALFORMED;
}

/* Of a frame without a tag, or whose tag was taken off. */
static __always_inline enum lb_reason handle(struct xdp_md *ctx, struct way *way)
{
	struct packet packet = {};
	const struct lb_service *service;
	enum lb_reason reason = parse_frame(ctx, &packet);
	bool syn = false;

	if (reason != LB_UNDECIDED)
		return reason;
	reason = check_macs(ctx, way->vlan, &packet);
	if (reason != LB_UNDECIDED)
		return reason;
	reason = find_flow(ctx, &packet);
	if (reason != LB_UNDECIDED)
		return reason;
	service = service_of(&packet.flow);
	if (!service)
		return packet.is_error ? LB_PASS_ICMP : LB_PASS_NO_SERVICE;
	reason = parse_syn(&packet, (void *)(long)ctx->data_end, &syn);
	if (reason != LB_UNDECIDED)
		return reason;
	return lead(ctx, &packet, service, syn, way);
}

static __always_inline bool is_passed(enum lb_reason reason)
{
	return reason < LB_SENT_FLOW;
}
static __always_inline bool is_sent_on(enum lb_reason reason)
{
	return reason >= LB_SENT_FLOW && reason <= LB_SENT_ICMP_ERROR;
}
static __always_inline bool is_dropped(enum lb_reason reason)
{
	return reason >= LB_DROP_FRAGMENT;
}

/* What is passed or answered has the tag that it came with, what is sent on that of its way, and of its own
 * the priority. */
static __always_inline enum lb_reason tag_again(struct xdp_md *ctx, enum lb_reason reason,
                                                __u32 tag, const struct way *way)
{
	if (is_dropped(reason))
		return reason;
	if (is_sent_on(reason))
		tag = way->vlan ? TAGGED | (tag & 0xFFFF & ~VLAN_ID) | way->vlan : 0;
	return !tag || put_tag(ctx, tag) ? reason : LB_DROP_INTERNAL;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	struct way way = {.interface = ctx->ingress_ifindex};
	enum lb_reason reason = LB_UNDECIDED;
	__u32 tag = 0;

	if (is_tagged(ctx)) {
		tag = (__u32)forget(take_tag(ctx));
		if (!(tag & TAGGED)) {
			reason = tag;
			tag = 0;
		}
	}
	way.vlan = tag & VLAN_ID;
	if (reason == LB_UNDECIDED)
		reason = handle(ctx, &way);
	if (tag || way.vlan)
		reason = tag_again(ctx, reason, tag, &way);

	count_reason(reason);
	if (is_passed(reason))
		return XDP_PASS;
	if (is_dropped(reason))
		return XDP_DROP;
	return way.interface == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(way.interface, 0);
}

char LICENSE[] SEC("license") = "GPL";
