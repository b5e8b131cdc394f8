/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int decap(struct xdp_md *ctx)
{
	return ctx->data < ctx->data_end ? XDP_PASS : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
