/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the XDP program and saspd share: the keys and values of the maps, byte for byte, and the hash
 * that leads from a flow to a slot. C, for both sides. Keys have no padding that is not named, and
 * everything named zero is zero. */
#ifndef SASPD_BPF_LB_H
#define SASPD_BPF_LB_H

#include <linux/bpf.h>
#include <linux/types.h>

/* C, which has no std::array. NOLINTBEGIN */

/* Raised with each change here that an older program or saspd would misread. */
#define LB_LAYOUT 2

#define LB_SLOTS 65537
#define LB_SLOTS_PADDED 65540 /* a multiple of 4 bytes */

enum { LB_IPV4 = 4, LB_IPV6 = 6 };

/* Network order. IPv4 is in the first 4 bytes, the rest zero. */
struct lb_address {
	__u8 bytes[16];
};

/* services: a hash. What a client connects to. */
struct lb_service_key {
	struct lb_address address;
	__be16 port;
	__u8 protocol; /* IANA number: 6, 17 */
	__u8 family;
};

enum { LB_FORWARD_L2 = 1, LB_FORWARD_IPIP = 2 };

enum {
	LB_SERVICE_STATELESS = 1,   /* no flow is stored or looked up */
	LB_SERVICE_INDEPENDENT = 2, /* how saspd builds its table; nothing to the program */
	LB_SERVICE_DROP_LOST = 4,   /* flows of a lost backend end: TCP too, not only UDP */
};

/* Never put in the place of an entry that stands there: the kernel would put another element into the hash,
 * and a packet that looks right then may find neither. What changes often, the table in use, stands in an
 * array therefore; the rest is changed in place, under the lock (BPF_F_LOCK). */
struct lb_service {
	struct bpf_spin_lock lock; /* of the kernel's update; no one else takes it */
	__u32 number;              /* of its counters and its tables: 0 up to max_services - 1 */
	__u8 forward;
	__u8 flags;
	__u16 zero;
};

/* tables_in_use: an array by the number of the service, to a __u32: 0 or 1. Its tables are 2 * number and the
 * next one; one is in use, the other is written aside, then this is flipped. */

/* addresses: a hash, to a __u32 of no meaning. Those of services, which answer ICMP echo. */
struct lb_address_key {
	struct lb_address address;
	__u32 family;
};

/* tables: an array. Which backend a slot leads to; 0 is none. */
struct lb_table {
	__u16 backend[LB_SLOTS_PADDED];
};

enum {
	LB_BACKEND_PRESENT = 1,  /* else its number is free, and flows that name it are void */
	LB_BACKEND_RESOLVED = 2, /* interface and MACs are known */
	LB_BACKEND_LOST = 4,     /* dead, not draining: its flows are led anew */
};

/* backends: an array, by number from 1 on; number 0 is never present. */
struct lb_backend {
	struct lb_address address;
	__u32 service;    /* number */
	__u32 weight;     /* as last decided; nothing to the program */
	__u32 interface;  /* where the next hop is */
	__u16 generation; /* raised when the number is assigned again, which voids older flows */
	__u16 mtu;        /* of the way there, without Ethernet; 0: not known */
	__u8 family;
	__u8 flags;
	__u8 next_hop[6]; /* MAC */
	__u8 source[6];   /* MAC of our interface */
	__u16 vlan;       /* the frame is sent with this tag (802.1Q); 0: without one */
};

/* devices: an array, used as a hash table: the place of a device is lb_device_place. Which frames are for us:
 * those that an interface gets without a tag, and those with the tag of a VLAN device on it. Written at
 * attach, kept up by saspd. */
#define LB_DEVICE_PLACES 256
#define LB_DEVICES_AT_PLACE 8
#define LB_DEVICE_MACS 4

enum {
	LB_DEVICE_ATTACHED = 1, /* the program is on it: no VLAN on another, nor a member */
	LB_DEVICE_NATIVE = 2,   /* in native mode; nothing to the program */
	LB_DEVICE_SIMPLE = 4,   /* it has one MAC */
};

struct lb_device {
	__u32 interface; /* index, of what the program runs on; 0: none */
	__u16 vlan;      /* 0: frames without a tag */
	__u8 flags;
	__u8 zero;
	/* Of this host, behind that interface; those that are left over repeat the first. A device that has
	 * more stands there several times. */
	__u8 mac[LB_DEVICE_MACS][6];
};

struct lb_devices {
	struct lb_device at[LB_DEVICES_AT_PLACE];
};

static inline __u32 lb_device_place(__u32 interface, __u16 vlan)
{
	return ((interface << 12 ^ vlan) * 0x9E3779B1U) >> 24;
}

/* flows: an LRU hash. As the client sends. Read as words by lb_slot. */
struct lb_flow_key {
	struct lb_address source;
	struct lb_address destination;
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 family;
	__u16 zero;
} __attribute__((aligned(8)));

struct lb_flow {
	__u16 backend;
	__u16 generation;
	__u32 zero;
};

/* service_counters and backend_counters: per-CPU arrays, by number. */
struct lb_counters {
	__u64 packets;
	__u64 bytes; /* as received, with Ethernet */
	__u64 flows; /* begun: SYNs, and datagrams that the table led */
};

/* What became of a packet, and its name in saspctl. reasons: a per-CPU array of __u64, packets by reason. */
#define LB_REASON_LIST(X) \
	/* passed to the host's own stack, untouched */ \
	X(LB_PASS_NOT_IP, "pass_not_ip") \
	/* headers cut off or lengths that contradict each other: not ours to judge */ \
	X(LB_PASS_MALFORMED, "pass_malformed") \
	/* for another MAC than the interface's: it is here by chance */ \
	X(LB_PASS_OTHER_MAC, "pass_other_mac") \
	/* two tags, or that of a VLAN which is not this host's */ \
	X(LB_PASS_VLAN, "pass_vlan") \
	/* neither TCP, UDP nor ICMP, or behind IPv6 extension headers that are not skipped */ \
	X(LB_PASS_PROTOCOL, "pass_protocol") \
	/* a later one whose first one was not led, or of ICMP */ \
	X(LB_PASS_FRAGMENT, "pass_fragment") \
	X(LB_PASS_NO_SERVICE, "pass_no_service") \
	/* not about a service */ \
	X(LB_PASS_ICMP, "pass_icmp") \
	/* sent on */ \
	/* by the flow table */ \
	X(LB_SENT_FLOW, "sent_flow") \
	/* by the table of slots */ \
	X(LB_SENT_TABLE, "sent_table") \
	/* to the backend that got the first one */ \
	X(LB_SENT_FRAGMENT, "sent_fragment") \
	/* to the backend whose packet it is about */ \
	X(LB_SENT_ICMP_ERROR, "sent_icmp_error") \
	X(LB_ANSWERED_ECHO, "answered_echo") \
	X(LB_ANSWERED_TOO_BIG, "answered_too_big") \
	X(LB_ANSWERED_TIME_EXCEEDED, "answered_time_exceeded") \
	/* dropped; all of a service */ \
	/* the first one, beyond the limit of new flows: the others could not follow it */ \
	X(LB_DROP_FRAGMENT, "drop_fragment") \
	/* its source MAC is this host's: led on, it would go round */ \
	X(LB_DROP_OWN_SOURCE, "drop_own_source") \
	/* no backend has a weight */ \
	X(LB_DROP_NO_BACKEND, "drop_no_backend") \
	X(LB_DROP_NO_NEXT_HOP, "drop_no_next_hop") \
	/* and its sender is not to be told, or not so often; the same of too big */ \
	X(LB_DROP_TTL, "drop_ttl") \
	X(LB_DROP_TOO_BIG, "drop_too_big") \
	/* the kernel refused a change of the packet, or a map is broken */ \
	X(LB_DROP_INTERNAL, "drop_internal") \
	/* besides: how often a new flow was not stored because of the limit */ \
	X(LB_FLOW_LIMIT, "flow_limit")

#define LB_REASON(reason, name) reason,
enum lb_reason { LB_REASON_LIST(LB_REASON) LB_REASONS };
#undef LB_REASON

enum { LB_SYN_STORE = 0, LB_SYN_DEFER = 1 };

/* settings: an array of one. Written at attach; the program only reads. */
struct lb_settings {
	__u32 layout;
	__u32 seed;
	__u32 max_services;
	__u32 max_backends;
	__u32 max_flows;
	__u32 new_flow_limit; /* stored per second and CPU; 0: no limit */
	__u32 syn; /* a flow begins at its SYN (LB_SYN_STORE) or next packet (LB_SYN_DEFER) */
	/* The first bytes of the outer source address; the rest is made of the flow's hash, so that
	 * receivers spread their load. */
	__u8 outer_source_v4[2];
	__u16 zero;
	__u8 outer_source_v6[8];
};

static inline __u64 lb_hash(const struct lb_flow_key *flow, __u32 seed)
{
	const __u64 *words = (const __u64 *)(const void *)flow;
	__u64 hash = seed ^ 0x9E3779B97F4A7C15ULL;
	int i;

	for (i = 0; i < 5; ++i) {
		hash ^= words[i];
		hash *= 0xFF51AFD7ED558CCDULL;
		hash ^= hash >> 32;
	}
	return hash * 0xC4CEB9FE1A85EC53ULL;
}

/* The slot that a flow has in every table. Every balancer with the same seed comes to the same. */
static inline __u32 lb_slot(const struct lb_flow_key *flow, __u32 seed)
{
	return (__u32)(((lb_hash(flow, seed) >> 32) * LB_SLOTS) >> 32);
}

#ifdef __cplusplus
#define LB_ASSERT(condition) static_assert(condition)
#else
#define LB_ASSERT(condition) _Static_assert(condition, #condition)
#endif
LB_ASSERT(sizeof(struct lb_service_key) == 20);
LB_ASSERT(sizeof(struct lb_service) == 12);
LB_ASSERT(sizeof(struct lb_address_key) == 20);
LB_ASSERT(sizeof(struct lb_table) == 131080);
LB_ASSERT(sizeof(struct lb_backend) == 48);
LB_ASSERT(sizeof(struct lb_devices) == 256);
LB_ASSERT(LB_DEVICE_PLACES == 1 << (32 - 24));
LB_ASSERT(sizeof(struct lb_flow_key) == 40);
LB_ASSERT(sizeof(struct lb_flow) == 8);
LB_ASSERT(sizeof(struct lb_counters) == 24);
LB_ASSERT(sizeof(struct lb_settings) == 40);

/* NOLINTEND */
#endif
