// SPDX-License-Identifier: Apache-2.0
// The protocol of a control socket: each request and each answer is a JSON object on a line. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"
#include "controller/report/json.hpp"

namespace saspd::report {

// Parses a request, with or without its line break. An error if it is not a JSON object, or nested
// deeper than 8.
Result<boost::json::object> parse_control_request(std::string_view line);

// A field of a request that is a text; nothing if it lacks it, or if it is none.
std::optional<std::string_view> text_of(const boost::json::object& request, std::string_view key);

// Whether this request only reads. An unknown command counts as one that changes something.
bool only_reads(const boost::json::object& request);

// An answer as it is sent, with its line break: clean UTF-8 whatever the names in it contain, so
// that every JSON parser accepts it. An answer of more than `max_answer` bytes becomes an error.
std::string control_line(const boost::json::object& answer, std::size_t max_answer);

// {"error": text, "exit_code": N}: what a client program prints, and its exit code.
boost::json::object control_error(ExitCode code, std::string_view text);

// For a question that cannot be answered: what is wrong with a name (invalid_argument) is usage, that
// there is nothing of that name data.
boost::json::object control_refusal(const Error& error);
template <class Answer>
boost::json::object answer_or_refusal(const Result<Answer>& answer) {
  return answer ? to_json(*answer) : control_refusal(answer.error());
}

// Who may write besides root and the program's own user.
inline constexpr std::string_view admin_group = "saspd-admin";
// The answer to others.
boost::json::object control_forbidden(std::string_view command);

}  // namespace saspd::report
