// SPDX-License-Identifier: Apache-2.0

#include "controller/ctl/outcome.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"
#include "controller/base/version.hpp"
#include "controller/ctl/render.hpp"
#include "controller/ctl/render_events.hpp"
#include "controller/ctl/render_fields.hpp"
#include "controller/ctl/render_gwm.hpp"
#include "controller/report/json.hpp"

namespace saspd::ctl {

namespace json = boost::json;
using report::HealthState;

namespace {

// There is no answer: the cause, and what helps.
Outcome no_answer(const Options& options, const Error& error, bool gwm_is_there) {
  const auto& code = error.code;
  const auto end = [&](ExitCode exit, const std::string& help) {
    return Outcome{exit, {}, printable(error.detail) + help};
  };
  const std::string_view program =
      options.program.empty() ? "the program" : std::string_view(options.program);
  if (code == std::errc::not_a_socket) {
    return end(ExitCode::unavailable,
               fmt::format("; give the --control of {} as --socket PATH", program));
  }
  if (code == std::errc::no_such_file_or_directory || code == std::errc::connection_refused) {
    const auto start =
        options.program.empty() ? std::string() : fmt::format(" (systemctl start {})", program);
    return end(ExitCode::unavailable,
               fmt::format("; {} is not running{}, or has another --control: give that as --socket "
                           "PATH{}",
                           program, start,
                           gwm_is_there && program == saspd_program
                               ? "; for the sasp-gwm on this machine: saspctl --of sasp-gwm"
                               : ""));
  }
  if (code == std::errc::permission_denied) {
    return end(ExitCode::no_permission, "; the socket is for root and its group: use sudo");
  }
  if (code == std::errc::timed_out || code == std::errc::resource_unavailable_try_again) {
    return end(ExitCode::try_again, fmt::format("; {} is busy or stopped: try again", program));
  }
  return end(code == std::errc::bad_message ? ExitCode::data : ExitCode::io, "");
}

// Whose answer it is. An older saspd that still runs names itself in some answers only; sasp-gwm
// always did in all that it does not refuse.
std::string author(const json::object& answer) {
  return report::from_json<report::Answer>(answer).program;
}

// The daemon refused the question, and knows best with which code that ends.
Outcome refused(const json::object& answer) {
  const auto [error, code] = report::from_json<report::Refusal>(answer);
  return {code >= 1 && code <= 78 ? static_cast<ExitCode>(code) : ExitCode::internal,
          {},
          error.value_or("refused without a reason")};
}

template <class Answer>
std::string shown(const json::object& answer, bool colors) {
  if constexpr (requires(const Answer& known) { render(known, colors); }) {
    return render(report::from_json<Answer>(answer), colors);
  } else {
    return render_fields(answer, colors);
  }
}

std::string shown_of_gwm(Command command, const json::object& answer, bool colors) {
  switch (command) {
#define SASPD_SHOWN(name, Answer) \
  case Command::name: return shown<report::Answer>(answer, colors);
    SASP_GWM_ANSWERS(SASPD_SHOWN)
    default: return {};  // it refuses the others
  }
}

std::string shown_of_saspd(Command command, const json::object& answer, bool colors) {
  switch (command) {
    SASPD_ANSWERS(SASPD_SHOWN)
    default: return {};
  }
}

// What is wrong, a line each; empty: it was not refused.
std::string refused_reload(const Options& options, const json::object& answer) {
  if (options.command != Command::reload) return {};
  std::string text;
  for (const auto& error : report::from_json<report::Reload>(answer).errors)
    text += fmt::format("{}reload refused: {}", text.empty() ? "" : "\n", error);
  return text;
}

bool is_well(const Options& options, const json::object& answer) {
  if (options.command == Command::reconcile)
    return report::from_json<report::Reconcile>(answer).failures.empty();
  if (!options.check) return true;
  return author(answer) == gwm_program
             ? problems(report::from_json<report::gwm::Status>(answer)).empty()
             : state_of(report::from_json<report::Status>(answer).health) == HealthState::ok;
}

// What its plug-ins say and end with: 0 ok, 1 warning, 2 critical, 3 unknown.
Outcome as_nagios(const Outcome& outcome) {
  const bool is_down = outcome.code == ExitCode::unavailable;
  return {static_cast<ExitCode>(is_down ? 2 : 3),
          fmt::format("{} - {}\n", is_down ? "CRITICAL" : "UNKNOWN", outcome.err),
          {}};
}
Outcome as_nagios(const report::Health& health) {
  const auto state = state_of(health);
  const int code = !is_reported(health)             ? 3
                   : state == HealthState::ok       ? 0
                   : state == HealthState::degraded ? 1
                                                    : 2;
  return {static_cast<ExitCode>(code), nagios_line(health), {}};
}

// sasp-gwm steers nothing itself.
Outcome as_nagios(const std::vector<std::string>& problems) {
  if (problems.empty()) return {ExitCode::ok, "OK - no problem\n", {}};
  return {static_cast<ExitCode>(1), fmt::format("WARNING - {}\n", problems.front()), {}};
}

}  // namespace

Result<void> check_schema(const json::object& answer) {
  const auto* version = answer.if_contains("schema_version");
  if (version != nullptr && *version == report::schema_version) return {};
  return fail(std::errc::not_supported,
              fmt::format("the answer has schema_version {}, this saspctl ({}) knows {}",
                          version != nullptr ? printable(json::serialize(*version)) : "-",
                          program_version, report::schema_version));
}

namespace {

Outcome plain_outcome(const Options& options, const Result<json::object>& answer, bool colors,
                      bool gwm_is_there) {
  if (!answer) return no_answer(options, answer.error(), gwm_is_there);
  // What is refused before it is looked at comes from the socket, which does not know its program.
  const bool is_refusal = answer->contains("error");
  if (is_refusal && !answer->contains("program")) return refused(*answer);
  if (!options.program.empty() && author(*answer) != options.program) {
    return {ExitCode::data,
            {},
            fmt::format("{}: {} answers there, not {}", printable(options.socket), author(*answer),
                        options.program)};
  }
  if (is_refusal) return refused(*answer);
  if (const auto known = check_schema(*answer); !known)
    return {ExitCode::data, {}, known.error().detail};
  if (auto refused = refused_reload(options, *answer); !refused.empty()) {
    return {ExitCode::configuration,
            options.json ? printable_json(json::serialize(*answer)) + "\n" : "",
            std::move(refused)};
  }
  const auto code = is_well(options, *answer) ? ExitCode::ok : ExitCode::not_healthy;
  if (options.json) return {code, printable_json(json::serialize(*answer)) + "\n", {}};
  return {code,
          author(*answer) == gwm_program ? shown_of_gwm(options.command, *answer, colors)
                                         : shown_of_saspd(options.command, *answer, colors),
          {}};
}

}  // namespace

Outcome outcome(const Options& options, const Result<json::object>& answer, bool colors,
                bool gwm_is_there) {
  auto plain = plain_outcome(options, answer, colors, gwm_is_there);
  if (!options.nagios) return plain;
  const bool answered = plain.code == ExitCode::ok || plain.code == ExitCode::not_healthy;
  if (!answered) return as_nagios(plain);
  if (author(*answer) == gwm_program)
    return as_nagios(problems(report::from_json<report::gwm::Status>(*answer)));
  const auto with = report::from_json<report::WithHealth>(*answer);
  return as_nagios(with.health ? *with.health : report::Health{});
}

}  // namespace saspd::ctl
