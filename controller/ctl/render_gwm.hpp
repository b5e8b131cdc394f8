// SPDX-License-Identifier: Apache-2.0
// The answers of sasp-gwm as people read them, as in render.hpp.
#pragma once

#include <string>
#include <vector>

#include "controller/report/gwm.hpp"

namespace saspd::ctl {

// What is not healthy, a sentence each; empty is healthy.
std::vector<std::string> problems(const report::gwm::Status& status);

std::string render(const report::gwm::Status& status, bool colors);
std::string render(const report::gwm::Lbs& lbs, bool colors);
std::string render(const report::gwm::Groups& groups, bool colors);
// A table per group.
std::string render(const report::gwm::Members& members, bool colors);
// A paragraph per group in which the member is.
std::string render(const report::gwm::Why& why, bool colors);
// What was done.
std::string render(const report::gwm::Drain& done, bool colors);
std::string render(const report::gwm::Undrain& done, bool colors);

}  // namespace saspd::ctl
