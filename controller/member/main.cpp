// sasp-member: tells GWMs about the servers of this machine, for long or once.

#include <cstdlib>

#include "controller/cli/guarded.hpp"
#include "controller/cli/privileges.hpp"
#include "controller/member/agent.hpp"
#include "controller/member/one_shot.hpp"
#include "controller/net/tls.hpp"

namespace {

// Destroying an event loop would wait for a name lookup that is under way, for as long as a silent
// DNS server takes; the end of the process does not.
template <class Work>
[[noreturn]] void run(const saspd::member::Options& options, saspd::cli::Log& log) {
  Work work(options, log);
  std::quick_exit(static_cast<int>(work.run()));
}

// The certificates; everything else of --check is done when the options are there.
saspd::ExitCode check(const saspd::member::Options& options, saspd::cli::Log& log) {
  const auto warnings = saspd::net::check_tls_files(options.tls, saspd::TlsRole::client);
  if (!warnings) {
    log.error("{}", warnings.error().detail);
    return saspd::ExitCode::configuration;
  }
  for (const auto& warning : *warnings)
    log.warning("{}", warning);
  return saspd::ExitCode::ok;
}

// To connect, and to read files, is all there is to do. What ends at once does not tell that it is
// still root.
bool drop_privileges(const saspd::member::Options& options, saspd::cli::Log& log) {
  const auto dropped = saspd::cli::drop_privileges(
      {.user = "sasp-member", .keep = {}, .reads = options.tls.files()});
  if (!dropped) {
    log.error("{}", dropped.error().detail);
    return false;
  }
  const bool stays = options.command == saspd::member::Command::run;
  if (stays && !dropped->empty()) log.warning("{}", *dropped);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  return saspd::cli::guarded("sasp-member", [&] {
    const auto parsed = saspd::member::parse_options(argc, argv);
    if (const auto* end = std::get_if<saspd::ExitCode>(&parsed)) return *end;
    const auto& options = std::get<saspd::member::Options>(parsed);
    saspd::cli::Log log(options.log);
    if (!drop_privileges(options, log)) return saspd::ExitCode::no_permission;
    if (options.check) return check(options, log);
    if (options.command == saspd::member::Command::run) run<saspd::member::Agent>(options, log);
    run<saspd::member::OneShot>(options, log);
  });
}
