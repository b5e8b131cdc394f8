// SPDX-License-Identifier: Apache-2.0
// Answers of the programs, as text.
#pragma once

#include <string_view>

#include <boost/json/parse.hpp>

#include "controller/report/json.hpp"

namespace saspd::ctl {

// Names in it may be no clean UTF-8.
inline boost::json::object json(std::string_view text) {
  boost::json::parse_options options;
  options.allow_invalid_utf8 = true;
  return boost::json::parse(text, {}, options).as_object();
}

template <class Answer>
Answer read(const boost::json::object& answer) {
  return report::from_json<Answer>(answer);
}
template <class Answer>
Answer read(std::string_view text) {
  return read<Answer>(json(text));
}

}  // namespace saspd::ctl
