// sasp-member: tells GWMs about the servers of this machine, for long or once.

#include <cstdlib>

#include "controller/member/agent.hpp"
#include "controller/member/one_shot.hpp"
#include "controller/net/tls.hpp"

namespace {

// Destroying an event loop would wait for a name lookup that is under way, for as long as a silent
// DNS server takes; the end of the process does not.
template <class Work>
[[noreturn]] void run(const saspd::member::Options& options) {
  saspd::cli::Log log(options.log);
  Work work(options, log);
  std::quick_exit(static_cast<int>(work.run()));
}

// The certificates; everything else of --check is done when the options are there.
saspd::ExitCode check(const saspd::member::Options& options) {
  saspd::cli::Log log(options.log);
  const auto warnings = saspd::net::check_tls_files(options.tls, saspd::TlsRole::client);
  if (!warnings) {
    log.error("{}", warnings.error().detail);
    return saspd::ExitCode::configuration;
  }
  for (const auto& warning : *warnings)
    log.warning("{}", warning);
  return saspd::ExitCode::ok;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = saspd::member::parse_options(argc, argv);
  if (const auto* end = std::get_if<saspd::ExitCode>(&parsed)) return static_cast<int>(*end);
  const auto& options = std::get<saspd::member::Options>(parsed);
  if (options.check) return static_cast<int>(check(options));
  if (options.command == saspd::member::Command::run) {
    run<saspd::member::Agent>(options);
  } else {
    run<saspd::member::OneShot>(options);
  }
}
