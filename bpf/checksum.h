/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* The Internet checksum (RFC 1071), and its change with a change of the packet (RFC 1624). */
#ifndef SASPD_BPF_CHECKSUM_H
#define SASPD_BPF_CHECKSUM_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static __always_inline __u16 checksum_of(__u64 sum)
{
	sum = (sum & 0xFFFFFFFF) + (sum >> 32);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	return (__u16)~sum;
}

/* RFC 1624 equation 3, for one 16-bit word that changed. */
static __always_inline __u16 checksum_after(__u16 checksum, __u16 before, __u16 after)
{
	return checksum_of((__u64)(__u16)~checksum + (__u16)~before + after);
}

/* The sum of `count` 32-bit words. */
static __always_inline __u64 sum_of(const __u32 *words, int count)
{
	__u64 sum = 0;
	int i;

	for (i = 0; i < count; ++i)
		sum += words[i];
	return sum;
}

/* The sum of the words from `from` to `end`, at most `count`. For packets, whose end the verifier wants to
 * see compared. */
static __always_inline __u64 sum_to(const void *end, const void *from, int count)
{
	const __u32 *words = from;
	__u64 sum = 0;
	int i;

	for (i = 0; i < count; ++i) {
		if ((const void *)(words + i + 1) > end)
			break;
		sum += words[i];
	}
	return sum;
}

#endif
