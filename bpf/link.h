/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The link layer: whether a frame is for this host, and its VLAN tag (802.1Q), which is taken off before
 * anything looks at the packet and put on behind everything, so that nothing in between knows of it.
 *
 * A tag that a card took off and gave beside the frame (rx-vlan-offload) cannot be seen here: attach sees
 * to it that there is none. */
#ifndef SASPD_BPF_LINK_H
#define SASPD_BPF_LINK_H

#include "bpf/maps.h"
#include "bpf/parsing.h"

#define VLAN_ID 0x0FFF
#define TAGGED 0x10000 /* beside the 16 bits of a tag, which may all be zero */

struct vlan_tag {
	__be16 tci;
	__be16 protocol; /* of what follows */
};

/* An Ethernet header with a tag behind its addresses. */
struct tagged_ethernet {
	__u8 macs[2 * ETH_ALEN];
	__be16 tpid;
	struct vlan_tag tag;
};

/* 1 or 0, without a branch: each would double what the verifier looks at. */
static __always_inline __u32 is_same_mac(const void *one, const void *other)
{
	const __u16 *a = one, *b = other;
	__u32 difference = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]);

	return (difference - 1) >> 31;
}

/* What is known of a frame. */
enum { FOR_US = 1, FROM_US = 2, KNOWN_DEVICE = 4 };

static __always_inline __u32 compare_macs(const struct lb_device *device, int mac,
                                          const struct ethhdr *eth)
{
	return KNOWN_DEVICE | is_same_mac(device->mac[mac], eth->h_dest) |
	       is_same_mac(device->mac[mac], eth->h_source) << 1;
}

static __always_inline bool is_device(const struct lb_device *device, __u32 interface, __u16 vlan)
{
	return device->interface == interface && device->vlan == vlan;
}

/* By all devices at the place. */
static __noinline __u32 compare_all_macs(const struct lb_devices *there, const struct ethhdr *eth,
                                         __u32 interface, __u16 vlan)
{
	__u32 known = 0;
	int i, mac;

	for (i = 0; i < LB_DEVICES_AT_PLACE; ++i) {
		if (!is_device(&there->at[i], interface, vlan))
			continue;
		for (mac = 0; mac < LB_DEVICE_MACS; ++mac)
			known |= compare_macs(&there->at[i], mac, eth);
	}
	return known;
}

/* LB_UNDECIDED: the frame is for this host. */
static __always_inline enum lb_reason check_macs(struct xdp_md *ctx, __u16 vlan,
                                                 struct packet *packet)
{
	__u32 interface = ctx->ingress_ifindex, place = lb_device_place(interface, vlan), known;
	const struct lb_devices *there = bpf_map_lookup_elem(&devices, &place);
	const struct ethhdr *eth = (void *)(long)ctx->data;

	if (!there)
		return LB_DROP_INTERNAL;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return LB_PASS_MALFORMED;
	if (is_device(&there->at[0], interface, vlan) && there->at[0].flags & LB_DEVICE_SIMPLE)
		known = compare_macs(&there->at[0], 0, eth);
	else
		known = (__u32)forget(compare_all_macs(there, eth, interface, vlan));
	if (!(known & KNOWN_DEVICE) && vlan)
		return LB_PASS_VLAN;
	if (!(known & FOR_US))
		return LB_PASS_OTHER_MAC;
	packet->own_source = known & FROM_US;
	return LB_UNDECIDED;
}

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline bool is_tagged(struct xdp_md *ctx)
{
	const struct ethhdr *eth = (void *)(long)ctx->data;

	return (void *)(eth + 1) <= (void *)(long)ctx->data_end && is_tag(eth->h_proto);
}

/* Takes the tag off and returns it, with TAGGED; or a reason. */
static __noinline __u32 take_tag(struct xdp_md *ctx)
{
	struct tagged_ethernet before, *tagged = (void *)(long)ctx->data;
	struct ethhdr *eth;

	if ((void *)(tagged + 1) > (void *)(long)ctx->data_end)
		return LB_PASS_MALFORMED;
	before = *tagged;
	if (before.tpid != bpf_htons(ETH_P_8021Q) || is_tag(before.tag.protocol))
		return LB_PASS_VLAN;
	if (bpf_xdp_adjust_head(ctx, sizeof(struct vlan_tag)))
		return LB_DROP_INTERNAL;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return LB_DROP_INTERNAL;
	__builtin_memcpy(eth, before.macs, sizeof(before.macs));
	eth->h_proto = before.tag.protocol;
	return TAGGED | bpf_ntohs(before.tag.tci);
}

/* False: there is no room for it. */
static __noinline int put_tag(struct xdp_md *ctx, __u32 tag)
{
	struct tagged_ethernet *tagged;
	struct ethhdr before, *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return false;
	before = *eth;
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct vlan_tag)))
		return false;
	tagged = (void *)(long)ctx->data;
	if ((void *)(tagged + 1) > (void *)(long)ctx->data_end)
		return false;
	__builtin_memcpy(tagged->macs, &before, sizeof(tagged->macs));
	tagged->tpid = bpf_htons(ETH_P_8021Q);
	tagged->tag.tci = bpf_htons((__u16)tag);
	tagged->tag.protocol = before.h_proto;
	return true;
}

#endif
