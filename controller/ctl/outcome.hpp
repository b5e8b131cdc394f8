// SPDX-License-Identifier: Apache-2.0
// How saspctl ends: what it prints and its exit code, from what the daemon said or why it did not.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"
#include "controller/ctl/options.hpp"

namespace saspd::ctl {

struct Outcome {
  ExitCode code = ExitCode::ok;
  std::string out;  // for stdout
  std::string err;  // for stderr; without its last line break, or empty
};

// Is it an answer of the kind that this program knows.
Result<void> check_schema(const boost::json::object& answer);

// Only an answer of the program that was asked is one. `gwm_is_there`: sasp-gwm has a socket here,
// which helps a user who asked saspd by default and got no answer.
Outcome outcome(const Options& options, const Result<boost::json::object>& answer, bool colors,
                bool gwm_is_there = false);

}  // namespace saspd::ctl
