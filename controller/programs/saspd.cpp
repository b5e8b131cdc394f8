// SPDX-License-Identifier: Apache-2.0
// saspd: builds every part once and runs them.

#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "controller/cli/guarded.hpp"
#include "controller/programs/saspd/attach.hpp"
#include "controller/programs/saspd/backends.hpp"
#include "controller/programs/saspd/instance_lock.hpp"
#include "controller/programs/saspd/program.hpp"

namespace saspd::programs {

using namespace director;

namespace {

constexpr std::string_view name = "saspd";

cli::Needs needs_of(const Options& options) {
  auto rights = options.backend->rights(options.xdp.pins);
  cli::Needs needs;
  needs.keep = std::move(rights.capabilities);
  needs.writes = std::move(rights.writes);
  return needs;
}

using ReadOptions = host::Configured<Options>::ReadOptions;

Result<InstanceLock> take_lock(const lb::Backend& backend) {
  return take_patiently([&backend] { return InstanceLock::take(backend.name); },
                        [](auto time) { std::this_thread::sleep_for(time); });
}

ExitCode run(host::Host& host, Options& options, ReadOptions read_again, cli::Log& log) {
  const auto& backend = *options.backend;
  std::optional<Result<InstanceLock>> lock;
  // A dry run writes nothing, and must keep nobody from it who starts later.
  if (!options.dry_run) lock = take_lock(backend);
  if (lock && !*lock) {
    const Error& why = lock->error();
    const bool second = why.code == std::errc::address_in_use;
    log.error("{}", second ? fmt::format("another saspd already writes the {} weights of this "
                                         "network namespace ({})",
                                         backend.title, why.detail)
                           : why.detail);
    return second ? ExitCode::try_again : ExitCode::io;
  }
  const auto plane = backend.open(options.xdp.pins, options.dry_run);
  if (!plane) {
    log.error("{}", plane.error().detail);
    return lb::exit_code_of(plane.error().code);
  }
  auto needs = needs_of(options);
  if (!options.ledger.empty() && !options.dry_run) {
    const auto folder = KeptFile::make_folder(options.ledger);
    if (!folder.empty()) needs.gives.push_back(folder);
  }
  Saspd program(host, options, std::move(read_again), **plane, std::move(needs), log);
  cli::end(name, host.run(program));
}

ExitCode perform(Options options, ReadOptions read_again) {
  cli::Log log(options.log);
  for (const auto& doubt : doubts(options))
    log.warning("{}", doubt);
  switch (options.verb) {
    case cli::Verb::attach: return attach(options, log);
    case cli::Verb::reattach: return reattach(options.xdp, log);
    case cli::Verb::detach: return detach(options.xdp, log);
    default: break;
  }
  host::Host host(options, log, {.name = name, .last_words = "; the weights stay as they are"});
  if (options.verb == cli::Verb::check) return host.check(needs_of(options));
  return run(host, options, std::move(read_again), log);
}

}  // namespace
}  // namespace saspd::programs

int main(int argc, char** argv) {
  using namespace saspd;
  return cli::guarded(programs::name, [&] {
    auto parsed = director::parse_options(argc, argv, programs::backends);
    if (const auto* end = std::get_if<ExitCode>(&parsed)) return *end;
    return programs::perform(
        std::get<director::Options>(std::move(parsed)), [argc, argv](cli::Errors& errors) {
          return director::parse_options(argc, argv, programs::backends, &errors);
        });
  });
}
