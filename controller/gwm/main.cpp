// sasp-gwm: a Group Workload Manager.

#include "controller/cli/guarded.hpp"
#include "controller/gwm/program.hpp"

int main(int argc, char** argv) {
  return saspd::cli::guarded("sasp-gwm", [&] {
    const auto parsed = saspd::gwm::parse_options(argc, argv);
    if (const auto* end = std::get_if<saspd::ExitCode>(&parsed)) return *end;
    const auto& options = std::get<saspd::gwm::Options>(parsed);
    saspd::cli::Log log(options.log);
    return saspd::gwm::Program(options, log).run();
  });
}
