// SPDX-License-Identifier: Apache-2.0
// What the kernel shall have once all is quiet, decided once more, from architecture.md's "What must
// always hold" and not from the product's code.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "controller/gwm/weigher.hpp"
#include "tests/simulation/judge.hpp"

namespace saspd::simulation {

// The weights that are right for a server; empty: any.
using Allowed = std::map<Server, std::set<std::uint32_t>>;

Allowed reference(const Options& options, const Judge& judge, const lb::ServiceKey& service,
                  const IpvsKernel::Service& now, const gwm::AdviceTable& advice);

// Where the connections of clients end, from the kernel alone.
std::map<Server, unsigned> clients_reach(const IpvsKernel::Service& service);

}  // namespace saspd::simulation
