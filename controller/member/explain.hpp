// A return code of a GWM in the words of the one who has to act on it, and as an exit code.
#pragma once

#include <string>

#include "controller/base/exit_codes.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::member {

struct Explanation {
  ExitCode code{};
  std::string text;  // the cause, the code, and what to do
};

// `asked` is the request that the GWM has refused.
Explanation explain(sasp::Type asked, sasp::ReturnCode code, const std::string& lb_uid,
                    const std::string& group);

}  // namespace saspd::member
