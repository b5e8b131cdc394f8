// SPDX-License-Identifier: Apache-2.0
// sasp-member: reports the servers of this machine to GWMs, continuously or once.

#include <memory>

#include "controller/cli/guarded.hpp"
#include "controller/member/agent.hpp"
#include "controller/member/load.hpp"
#include "controller/member/one_shot.hpp"
#include "controller/programs/sasp_member/program.hpp"

namespace saspd::programs {
namespace {

std::unique_ptr<member::Machine> machine_for(const member::Options& options) {
  const auto now = Clock::now();
  const auto seed = net::random_seed();
  if (options.command == member::Command::run)
    return std::make_unique<member::Agent>(options, seed, now);
  const auto load = options.state ? *options.state : member::load_now().value_or(0);
  return std::make_unique<member::OneShot>(options, load, seed, now);
}

}  // namespace
}  // namespace saspd::programs

int main(int argc, char** argv) {
  using namespace saspd;
  constexpr std::string_view name = "sasp-member";
  return cli::guarded(name, [&] {
    auto parsed = member::parse_options(argc, argv);
    if (const auto* end = std::get_if<ExitCode>(&parsed)) return *end;
    auto& options = std::get<member::Options>(parsed);
    cli::Log log(options.log);
    host::Host host(options, log,
                    {.name = name, .is_service = options.command == member::Command::run});
    const auto machine = programs::machine_for(options);
    const auto read_again = [&](cli::Errors& errors) {
      return member::parse_options(argc, argv, &errors);
    };
    programs::SaspMember program(host, options, read_again, *machine, log);
    cli::end(name, host.run(program));
  });
}
