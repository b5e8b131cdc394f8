// SPDX-License-Identifier: Apache-2.0
// sasp-member: reports the servers of this machine to GWMs, continuously or once.

#include "controller/cli/guarded.hpp"
#include "controller/programs/sasp_member/agent.hpp"
#include "controller/programs/sasp_member/one_shot.hpp"

int main(int argc, char** argv) {
  using namespace saspd;
  constexpr std::string_view name = "sasp-member";
  return cli::guarded(name, [&] {
    const auto parsed = member::parse_options(argc, argv);
    if (const auto* end = std::get_if<ExitCode>(&parsed)) return *end;
    const auto& options = std::get<member::Options>(parsed);
    const bool stays = options.command == member::Command::run;
    cli::Log log(options.log);
    host::Host host(options, log, {.name = name, .is_service = stays});
    if (stays) cli::end(name, host.run(*std::make_unique<programs::Agent>(host, options, log)));
    cli::end(name, host.run(*std::make_unique<programs::OneShot>(host, options, log)));
  });
}
