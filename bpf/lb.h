/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the XDP program and saspd share: the keys and values of the maps, byte for byte, and the hash
 * that leads from a flow to a slot. C, for both sides. Keys have no padding that is not named, and
 * everything named zero is zero. */
#ifndef SASPD_BPF_LB_H
#define SASPD_BPF_LB_H

#include <linux/bpf.h>
#include <linux/types.h>

/* C, which has no std::array. NOLINTBEGIN */

/* Raised with each change here that a program or a saspd of before would misread. */
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
};

/* Never put in the place of an entry that stands there: the kernel would put another element into the hash,
 * and a packet that looks right then may find neither. What changes often, the table in use, stands in an
 * array therefore; the rest is changed in place, under the lock (BPF_F_LOCK). */
struct lb_service {
	struct bpf_spin_lock lock; /* of the kernel's update; nobody else takes it */
	__u32 number; /* of its counters and its tables: 0 up to max_services - 1 */
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

/* tables: an array. Which backend a slot leads to; 0 is nobody. */
struct lb_table {
	__u16 backend[LB_SLOTS_PADDED];
};

enum {
	LB_BACKEND_PRESENT = 1,  /* else its number is free, and flows that name it are void */
	LB_BACKEND_RESOLVED = 2, /* interface and MACs are known */
};

/* backends: an array, by number from 1 on; number 0 is never present. */
struct lb_backend {
	struct lb_address address;
	__u32 service;   /* number */
	__u32 weight;    /* as last decided; nothing to the program */
	__u32 interface; /* where the next hop is */
	__u16 generation; /* raised when the number is given anew, so that a flow of before is void */
	__u16 mtu;        /* of the way there, without Ethernet; 0: not known */
	__u8 family;
	__u8 flags;
	__u8 next_hop[6]; /* MAC */
	__u8 source[6];   /* MAC of our interface */
	__u16 zero;
};

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

/* What became of a packet. reasons: a per-CPU array of __u64, packets by reason. The names of saspctl
 * stand in xdp_reasons.cpp, in this order. */
enum lb_reason {
	/* passed to the host's own stack, untouched */
	LB_PASS_NOT_IP,
	LB_PASS_MALFORMED,  /* headers cut off or lengths that contradict each other: not ours to judge */
	LB_PASS_PROTOCOL,   /* neither TCP, UDP nor ICMP, or behind IPv6 extension headers */
	LB_PASS_FRAGMENT,   /* a later one has no ports: whose it is cannot be told. Or of ICMP */
	LB_PASS_NO_SERVICE,
	LB_PASS_ICMP,       /* not about a service */
	/* sent on */
	LB_SENT_FLOW,       /* by the flow table */
	LB_SENT_TABLE,      /* by the table of slots */
	LB_SENT_ICMP_ERROR, /* to the backend whose packet it is about */
	LB_ANSWERED_ECHO,
	LB_ANSWERED_TOO_BIG,
	/* dropped; all of a service */
	LB_DROP_FRAGMENT,   /* the first fragment: the others cannot follow it */
	LB_DROP_NO_BACKEND, /* nobody has a weight */
	LB_DROP_NO_NEXT_HOP,
	LB_DROP_TTL,
	LB_DROP_TOO_BIG,    /* and its sender is not to be told, or not so often */
	LB_DROP_INTERNAL,   /* the kernel refused a change of the packet, or a map is broken */
	/* besides: how often a new flow was not stored because of the limit */
	LB_FLOW_LIMIT,
	LB_REASONS
};

enum { LB_SYN_STORE = 0, LB_SYN_DEFER = 1 };

/* settings: an array of one. Written at attach; the program only reads. */
struct lb_settings {
	__u32 layout;
	__u32 seed;
	__u32 max_services;
	__u32 max_backends;
	__u32 max_flows;
	__u32 new_flow_limit; /* stored per second and CPU; 0: no limit */
	__u32 syn;            /* LB_SYN_STORE: a flow begins at its SYN; LB_SYN_DEFER: at its next packet */
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
LB_ASSERT(sizeof(struct lb_flow_key) == 40);
LB_ASSERT(sizeof(struct lb_flow) == 8);
LB_ASSERT(sizeof(struct lb_counters) == 24);
LB_ASSERT(sizeof(struct lb_settings) == 40);

/* NOLINTEND */
#endif
