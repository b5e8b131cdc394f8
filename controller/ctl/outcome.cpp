#include "controller/ctl/outcome.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"
#include "controller/ctl/render.hpp"

namespace saspd::ctl {

namespace json = boost::json;

namespace {

// There is no answer: the cause, and what helps.
Outcome no_answer(const Error& error) {
  const auto& code = error.code;
  const auto end = [&](ExitCode exit, std::string_view help) {
    return Outcome{exit, {}, fmt::format("{}{}", printable(error.detail), help)};
  };
  if (code == std::errc::no_such_file_or_directory || code == std::errc::connection_refused) {
    return end(
        ExitCode::unavailable,
        "; saspd is not running (systemctl start saspd), or has another --control: give that "
        "as --socket PATH");
  }
  if (code == std::errc::permission_denied) {
    return end(ExitCode::no_permission, "; the socket is for root and its group: use sudo");
  }
  if (code == std::errc::timed_out || code == std::errc::resource_unavailable_try_again) {
    return end(ExitCode::try_again, "; saspd is busy or stopped: try again");
  }
  return end(code == std::errc::bad_message ? ExitCode::data : ExitCode::io, "");
}

// The daemon refused the question, and knows best with which code that ends.
Outcome refused(const json::object& answer, const json::value& error) {
  const auto* text = error.if_string();
  const auto* code = answer.if_contains("exit_code");
  const auto number = code != nullptr && code->is_int64() ? code->get_int64() : 0;
  return {number >= 1 && number <= 78 ? static_cast<ExitCode>(number) : ExitCode::internal,
          {},
          printable(text != nullptr ? std::string_view(*text) : "refused without a reason")};
}

std::string shown(const Options& options, const json::object& answer, bool colors) {
  if (options.json) return json::serialize(answer) + "\n";
  switch (options.command) {
    case Command::status: return render_status(answer, colors);
    case Command::why: return render_why(answer, colors);
    case Command::plan: return render_plan(answer);
    case Command::reconcile: return render_reconcile(answer, colors);
    case Command::export_rules: return render_export(answer);
    case Command::trace: return render_trace(answer, colors);
  }
  return {};
}

bool is_well(const Options& options, const json::object& answer) {
  if (options.command == Command::reconcile) return all_written(answer);
  return !options.check || problems(answer).empty();
}

}  // namespace

Outcome outcome(const Options& options, const Result<json::object>& answer, bool colors) {
  if (!answer) return no_answer(answer.error());
  if (const auto* error = answer->if_contains("error")) return refused(*answer, *error);
  if (const auto known = check_schema(*answer); !known)
    return {ExitCode::data, {}, known.error().detail};
  return {is_well(options, *answer) ? ExitCode::ok : ExitCode::not_healthy,
          shown(options, *answer, colors),
          {}};
}

}  // namespace saspd::ctl
