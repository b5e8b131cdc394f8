// SPDX-License-Identifier: Apache-2.0
// sasp-gwm: a Group Workload Manager.

#include "controller/cli/guarded.hpp"
#include "controller/programs/sasp_gwm/program.hpp"

int main(int argc, char** argv) {
  using namespace saspd;
  constexpr std::string_view name = "sasp-gwm";
  return cli::guarded(name, [&] {
    auto parsed = gwm::parse_options(argc, argv);
    if (const auto* end = std::get_if<ExitCode>(&parsed)) return *end;
    auto& options = std::get<gwm::Options>(parsed);
    cli::Log log(options.log);
    host::Host host(options, log, {.name = name, .tls_role = TlsRole::server});
    const auto read_again = [&](cli::Errors& errors) {
      return gwm::parse_options(argc, argv, &errors);
    };
    programs::SaspGwm program(host, options, read_again, log);
    cli::end(name, host.run(program));
  });
}
