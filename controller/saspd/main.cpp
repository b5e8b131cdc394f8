// saspd: builds every part once and runs them.

#include <cstdlib>
#include <variant>

#include "controller/saspd/daemon.hpp"
#include "controller/saspd/instance_lock.hpp"
#include "netlink/ipvs.hpp"

namespace {

using saspd::ExitCode;

ExitCode exit_code_of(const std::error_code& code) {
  if (code == std::errc::no_protocol_option) return ExitCode::unavailable;
  if (code == std::errc::operation_not_permitted) return ExitCode::no_permission;
  return ExitCode::io;
}

ExitCode run(const saspd::Options& options) {
  saspd::cli::Log log(options.log);
  if (options.backend == saspd::Backend::xdp ||
      options.xdp.action != saspd::XdpOptions::Action::run) {
    log.error("the XDP data plane is not built yet in this version ({})", SASPD_VERSION);
    return ExitCode::usage;
  }
  const auto lock = saspd::InstanceLock::take("ipvs");
  if (!lock) {
    const bool second = lock.error().code == std::errc::address_in_use;
    log.error("{}", second
                        ? "another saspd already writes the IPVS weights of this network namespace"
                        : lock.error().detail);
    return second ? ExitCode::try_again : ExitCode::io;
  }
  const auto ipvs = saspd::netlink::Ipvs::open();
  if (!ipvs) {
    log.error("{}", ipvs.error().detail);
    return exit_code_of(ipvs.error().code);
  }
  saspd::Daemon daemon(options, **ipvs, log);
  const ExitCode code = daemon.run();
  // Destroying the event loop would wait for a name lookup that is under way, for as long as a
  // silent DNS server takes; the end of the process does not.
  std::quick_exit(static_cast<int>(code));
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = saspd::parse_options(argc, argv);
  if (const auto* end = std::get_if<ExitCode>(&parsed)) return static_cast<int>(*end);
  return static_cast<int>(run(std::get<saspd::Options>(parsed)));
}
