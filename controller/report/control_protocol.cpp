// SPDX-License-Identifier: Apache-2.0

#include "controller/report/control_protocol.hpp"

#include <utility>

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"
#include "controller/report/commands.hpp"

namespace saspd::report {

namespace json = boost::json;
using boost::system::error_code;

namespace {

constexpr std::size_t max_depth = 8;

}  // namespace

json::object control_error(ExitCode code, std::string_view text) {
  return {{"error", text}, {"exit_code", static_cast<int>(code)}};
}

json::object control_refusal(const Error& error) {
  const bool usage = error.code == std::errc::invalid_argument;
  return control_error(usage ? ExitCode::usage : ExitCode::data, error.detail);
}

json::object control_forbidden(std::string_view command) {
  return control_error(ExitCode::no_permission,
                       fmt::format("{} is for root and the group {}", command, admin_group));
}

Result<json::object> parse_control_request(std::string_view line) {
  json::parse_options options;
  options.max_depth = max_depth;
  error_code ec;
  auto request = json::parse(line, ec, {}, options);
  if (ec) {
    return fail(std::errc::invalid_argument,
                fmt::format("the request is not JSON: {}", ec.message()));
  }
  if (!request.is_object()) {
    return fail(std::errc::invalid_argument, "the request is not a JSON object");
  }
  return std::move(request.get_object());
}

std::optional<std::string_view> text_of(const json::object& request, std::string_view key) {
  const auto* value = request.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  if (text == nullptr) return std::nullopt;
  return *text;
}

bool only_reads(const json::object& request) {
  const auto command = text_of(request, "command");
  return command && report::only_reads(*command);
}

std::string control_line(const json::object& answer, std::size_t max_answer) {
  std::string line = printable_json(json::serialize(answer));
  if (line.size() >= max_answer) {
    line = json::serialize(control_error(
        ExitCode::internal,
        fmt::format("the answer has {} bytes, more than {}", line.size(), max_answer)));
  }
  return line + '\n';
}

}  // namespace saspd::report
