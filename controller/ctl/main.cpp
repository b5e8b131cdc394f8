// saspctl: one question to a running saspd, and its answer.

#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "controller/ctl/outcome.hpp"
#include "controller/net/control_client.hpp"

namespace {

using saspd::ExitCode;
using saspd::ctl::Options;

bool wants_colors(const Options& options) {
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: set and not empty
  return !options.no_color && (no_color == nullptr || *no_color == '\0') &&
         ::isatty(STDOUT_FILENO) == 1;
}

ExitCode run(const Options& options) {
  const auto answer =
      saspd::net::control_request(options.socket, saspd::ctl::request(options), options.timeout);
  const auto outcome = saspd::ctl::outcome(options, answer, wants_colors(options));
  std::cout << outcome.out << std::flush;
  if (!outcome.err.empty()) std::cerr << "saspctl: " << outcome.err << '\n';
  if (std::cout) return outcome.code;
  std::cerr << "saspctl: cannot write to stdout\n";
  return ExitCode::io;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = saspd::ctl::parse_options(argc, argv);
  if (const auto* end = std::get_if<ExitCode>(&parsed)) return static_cast<int>(*end);
  return static_cast<int>(run(std::get<Options>(parsed)));
}
