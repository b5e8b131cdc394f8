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

/* Who has the flow already. A weight of zero does not matter to it: that is how a backend drains. */
static __always_inline bool choose_by_flow(const struct lb_flow_key *key,
                                           const struct lb_service *service, struct choice *choice)
{
	struct lb_flow *flow = bpf_map_lookup_elem(&flows, key);

	return flow && choose_by_number(flow->backend, service, choice) &&
	       choice->generation == flow->generation;
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

	if (!fresh && !(service->flags & LB_SERVICE_STATELESS) && choose_by_flow(key, service, choice))
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

/* Sends a packet of a flow on to the backend. LB_UNDECIDED: done. An ICMP error about the flow comes this
 * way too. */
static __always_inline enum lb_reason send(struct xdp_md *ctx, struct packet *packet,
                                           const struct lb_flow_key *flow,
                                           const struct lb_service *service,
                                           const struct lb_backend *backend,
                                           const struct lb_settings *settings)
{
	bool tunnel = service->forward == LB_FORWARD_IPIP;
	__u32 overhead = tunnel ? outer_length(backend) : 0;
	__u32 mtu = backend->mtu ? backend->mtu : 0xFFFF;
	struct ethhdr *eth;

	if (!(backend->flags & LB_BACKEND_RESOLVED))
		return LB_DROP_NO_NEXT_HOP;
	if (packet->hop_limit <= 1)
		return LB_DROP_TTL;
	/* What came in fits out of the same interface. */
	if (packet->length + overhead > mtu &&
	    (tunnel || backend->interface != ctx->ingress_ifindex)) {
		if (!wants_too_big(ctx, packet) || !within_rate(RATE_ANSWERS, MAX_ANSWERS))
			return LB_DROP_TOO_BIG;
		return answer_too_big(ctx, packet, mtu - overhead);
	}
	if (!decrement_hop_limit(ctx, packet->flow.family))
		return LB_DROP_INTERNAL;
	if (tunnel)
		return encapsulate(ctx, packet, backend, lb_hash(flow, settings->seed), settings);

	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return LB_DROP_INTERNAL;
	write_macs(eth, backend);
	return LB_UNDECIDED;
}

static __always_inline void count_sent(const struct packet *packet, const struct lb_service *service,
                                       const struct choice *choice, bool new_flow)
{
	__u32 service_number = service->number, number = choice->number;

	add_packet(bpf_map_lookup_elem(&service_counters, &service_number), packet->frame_length,
	           new_flow);
	add_packet(bpf_map_lookup_elem(&backend_counters, &number), packet->frame_length, new_flow);
}

static __always_inline enum lb_reason lead(struct xdp_md *ctx, struct packet *packet,
                                           const struct lb_service *service, bool syn,
                                           __u32 *interface)
{
	const struct lb_settings *settings = get_settings();
	struct choice choice;
	enum lb_reason chosen, reason;
	bool begins = syn || packet->flow.protocol == IPPROTO_UDP;

	if (!settings)
		return LB_DROP_INTERNAL;
	chosen = choose(&packet->flow, service, syn, settings, &choice);
	if (chosen >= LB_DROP_FRAGMENT)
		return chosen;
	reason = send(ctx, packet, &packet->flow, service, choice.backend, settings);
	if (reason != LB_UNDECIDED)
		return reason;
	*interface = choice.backend->interface;
	if (chosen == LB_SENT_TABLE && !(service->flags & LB_SERVICE_STATELESS))
		store_flow(&packet->flow, &choice, syn, settings);
	count_sent(packet, service, &choice, chosen == LB_SENT_TABLE && begins);
	return chosen;
}

/* An error goes to the backend whose packet met it, so that path MTU discovery works through us. */
static __always_inline enum lb_reason lead_icmp_error(struct xdp_md *ctx, struct packet *packet,
                                                      __u32 *interface)
{
	const struct lb_settings *settings = get_settings();
	const struct lb_service *service;
	struct lb_flow_key flow = {};
	struct choice choice;
	enum lb_reason reason;

	if (!settings)
		return LB_DROP_INTERNAL;
	if (!parse_embedded(packet, (void *)(long)ctx->data_end, &flow))
		return LB_PASS_ICMP;
	service = service_of(&flow);
	if (!service)
		return LB_PASS_ICMP;
	reason = choose(&flow, service, false, settings, &choice);
	if (reason >= LB_DROP_FRAGMENT)
		return reason;
	reason = send(ctx, packet, &flow, service, choice.backend, settings);
	if (reason != LB_UNDECIDED)
		return reason;
	*interface = choice.backend->interface;
	count_sent(packet, service, &choice, false);
	return LB_SENT_ICMP_ERROR;
}

static __noinline enum lb_reason handle_icmp(struct xdp_md *ctx, struct packet *packet,
                                             __u32 *interface)
{
	struct icmp_message *message = parse_icmp(packet, (void *)(long)ctx->data_end);
	struct lb_address_key destination = {packet->flow.destination, packet->flow.family};

	if (packet->fragment)
		return LB_PASS_FRAGMENT;
	if (!message)
		return LB_PASS_MALFORMED;
	if (is_icmp_error(packet, message->type))
		return lead_icmp_error(ctx, packet, interface);
	if (is_echo_request(packet, message) && bpf_map_lookup_elem(&addresses, &destination))
		return answer_echo(ctx, packet);
	return LB_PASS_ICMP;
}

static __always_inline enum lb_reason handle(struct xdp_md *ctx, __u32 *interface)
{
	struct packet packet = {};
	const struct lb_service *service;
	enum lb_reason reason = parse_frame(ctx, &packet);
	void *end = (void *)(long)ctx->data_end;
	bool syn = false;

	if (reason != LB_UNDECIDED)
		return reason;
	if (!is_balanced(&packet) && !is_icmp(&packet))
		return LB_PASS_PROTOCOL;
	if (packet.fragment == LATER_FRAGMENT)
		return LB_PASS_FRAGMENT;
	if (is_icmp(&packet))
		return handle_icmp(ctx, &packet, interface);
	if (!parse_ports(&packet, end))
		return LB_PASS_MALFORMED;
	service = service_of(&packet.flow);
	if (!service)
		return LB_PASS_NO_SERVICE;
	if (packet.fragment)
		return LB_DROP_FRAGMENT;
	reason = parse_syn(&packet, end, &syn);
	if (reason != LB_UNDECIDED)
		return reason;
	return lead(ctx, &packet, service, syn, interface);
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	__u32 interface = ctx->ingress_ifindex; /* where answers go */
	enum lb_reason reason = handle(ctx, &interface);

	count_reason(reason);
	if (reason < LB_SENT_FLOW)
		return XDP_PASS;
	if (reason >= LB_DROP_FRAGMENT)
		return XDP_DROP;
	return interface == ctx->ingress_ifindex ? XDP_TX : bpf_redirect(interface, 0);
}

char LICENSE[] SEC("license") = "GPL";
