// SPDX-License-Identifier: Apache-2.0
// Translates a return code of a GWM into words for the operator who must act on it, and into an
// exit code.
#pragma once

#include <string>

#include "controller/base/exit_codes.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::member {

struct Explanation {
  ExitCode code{};
  std::string text;  // the cause, the code, and the remedy
};

// `asked` is the request that the GWM refused.
Explanation explain(sasp::Type asked, sasp::ReturnCode code, const std::string& lb_uid,
                    const std::string& group);

}  // namespace saspd::member
