/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#ifndef SASPD_BPF_ICMP_H
#define SASPD_BPF_ICMP_H

#include "bpf/checksum.h"
#include "bpf/parsing.h"

static __always_inline enum lb_reason answer_too_big(struct xdp_md *ctx, const struct packet *packet,
                                                     __u32 mtu)
{
	return LB_DROP_TOO_BIG;
}

#endif
