// sasp-member: tells GWMs about the servers of this machine, for long or once.

#include <cstdlib>

#include "controller/member/agent.hpp"
#include "controller/member/one_shot.hpp"

namespace {

// Destroying an event loop would wait for a name lookup that is under way, for as long as a silent
// DNS server takes; the end of the process does not.
template <class Work>
[[noreturn]] void run(const saspd::member::Options& options) {
  saspd::cli::Log log(options.log);
  Work work(options, log);
  std::quick_exit(static_cast<int>(work.run()));
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = saspd::member::parse_options(argc, argv);
  if (const auto* end = std::get_if<saspd::ExitCode>(&parsed)) return static_cast<int>(*end);
  const auto& options = std::get<saspd::member::Options>(parsed);
  if (options.command == saspd::member::Command::run) {
    run<saspd::member::Agent>(options);
  } else {
    run<saspd::member::OneShot>(options);
  }
}
