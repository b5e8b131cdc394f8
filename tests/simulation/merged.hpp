// SPDX-License-Identifier: Apache-2.0
// What several GWMs that all know a group advise together (--gwm-merge), computed once more from
// what saspd(8) promises, in floating point and not from the product's code.
#pragma once

#include <vector>

#include "controller/gwm/weigher.hpp"
#include "tests/simulation/options.hpp"

namespace saspd::simulation {

// Of at least one. Weights are right to one.
gwm::AdviceTable merged(const Options& options, const std::vector<gwm::AdviceTable>& tables);

}  // namespace saspd::simulation
