// sasp-gwm: a Group Workload Manager.

#include "controller/gwm/program.hpp"

int main(int argc, char** argv) {
  const auto parsed = saspd::gwm::parse_options(argc, argv);
  if (const auto* end = std::get_if<saspd::ExitCode>(&parsed)) return static_cast<int>(*end);
  const auto& options = std::get<saspd::gwm::Options>(parsed);
  saspd::cli::Log log(options.log);
  return static_cast<int>(saspd::gwm::Program(options, log).run());
}
