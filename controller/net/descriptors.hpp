// SPDX-License-Identifier: Apache-2.0
// Descriptors that are kept from clients for what a program is there for.
#pragma once

namespace saspd::net {

// How many each of them leaves free for those before it. Before all are connections to GWMs, the
// kernel and files. The operator comes before who only watches, and in sasp-gwm both come before
// the many that it serves. A limit below 160 (RLIMIT_NOFILE) keeps a share of itself.
namespace spare {
constexpr unsigned probes = 16;
constexpr unsigned control = 32;
constexpr unsigned metrics = 36;
constexpr unsigned peers = 40;
}  // namespace spare

// Whether one more may be opened by who leaves so many free. The kernel gives out the lowest free
// number, so those who ask here never hold one of the last `spare` numbers.
bool leaves_descriptors(unsigned spare);

}  // namespace saspd::net
