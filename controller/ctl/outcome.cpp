#include "controller/ctl/outcome.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "controller/base/text.hpp"
#include "controller/ctl/render.hpp"
#include "controller/ctl/render_gwm.hpp"
#include "controller/ctl/table.hpp"

namespace saspd::ctl {

namespace json = boost::json;

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
                               ? "; for the sasp-gwm that is here: saspctl --of sasp-gwm"
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
std::string_view author(const json::object& answer) {
  const auto* program = answer.if_contains("program");
  const auto* name = program != nullptr ? program->if_string() : nullptr;
  return name != nullptr ? std::string_view(*name) : saspd_program;
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

bool is_of_gwm(const json::object& answer) {
  return author(answer) == gwm_program;
}

std::string shown_of_gwm(Command command, const json::object& answer, bool colors) {
  switch (command) {
    case Command::status: return gwm::render_status(answer, colors);
    case Command::lbs: return gwm::render_lbs(answer, colors);
    case Command::groups: return gwm::render_groups(answer, colors);
    case Command::members: return gwm::render_members(answer, colors);
    case Command::why: return gwm::render_why(answer, colors);
    case Command::drain:
    case Command::undrain: return gwm::render_done(answer);
    default: return {};  // it refuses the others
  }
}

std::string shown(Command command, const json::object& answer, bool colors) {
  switch (command) {
    case Command::status: return render_status(answer, colors);
    case Command::gwm: return render_gwm(answer, colors);
    case Command::groups: return render_groups(answer, colors);
    case Command::members: return render_members(answer, colors);
    case Command::why: return render_why(answer, colors);
    case Command::plan: return render_plan(answer);
    case Command::reconcile: return render_reconcile(answer, colors);
    case Command::export_rules: return render_export(answer);
    case Command::undrain: return render_undrain(answer);
    case Command::trace: return render_trace(answer, colors);
    default: return {};
  }
}

bool is_well(const Options& options, const json::object& answer) {
  if (options.command == Command::reconcile) return all_written(answer);
  if (!options.check) return true;
  return is_of_gwm(answer) ? gwm::problems(answer).empty() : problems(answer).empty();
}

}  // namespace

Outcome outcome(const Options& options, const Result<json::object>& answer, bool colors,
                bool gwm_is_there) {
  if (!answer) return no_answer(options, answer.error(), gwm_is_there);
  // What is refused before it is looked at comes from the socket, which does not know its program.
  if (const auto* error = answer->if_contains("error");
      error != nullptr && !answer->contains("program")) {
    return refused(*answer, *error);
  }
  if (!options.program.empty() && author(*answer) != options.program) {
    return {ExitCode::data,
            {},
            printable(fmt::format("{}: {} answers there, not {}", options.socket, author(*answer),
                                  options.program))};
  }
  if (const auto* error = answer->if_contains("error")) return refused(*answer, *error);
  if (const auto known = check_schema(*answer); !known)
    return {ExitCode::data, {}, known.error().detail};
  const auto code = is_well(options, *answer) ? ExitCode::ok : ExitCode::not_healthy;
  if (options.json) return {code, printable_json(json::serialize(*answer)) + "\n", {}};
  return {code,
          is_of_gwm(*answer) ? shown_of_gwm(options.command, *answer, colors)
                             : shown(options.command, *answer, colors),
          {}};
}

}  // namespace saspd::ctl
