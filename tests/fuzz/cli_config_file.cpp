// SPDX-License-Identifier: Apache-2.0
// A config file is refused with words that are safe to show, those about a line with its number; or
// --print-config shows every line of it, and reads as the same again. The first byte chooses whose
// config file it is.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/text.hpp"
#include "controller/cli/config_file.hpp"
#include "controller/gwm/options.hpp"
#include "controller/member/options.hpp"
#include "controller/programs/saspd/backends.hpp"
#include "controller/saspd/options.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace saspd;
using namespace saspd::director;
using saspd::fuzz::check;

// A file without a place in the file system.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("fuzz", 0)) { check(fd_ >= 0); }
  int fd() const { return fd_; }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }
  void clear() const { check(::ftruncate(fd_, 0) == 0 && ::lseek(fd_, 0, SEEK_SET) == 0); }
  void set(std::string_view text) const {
    clear();
    check(::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  std::string content() const {
    std::string text(static_cast<std::size_t>(::lseek(fd_, 0, SEEK_END)), '\0');
    check(::pread(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    return text;
  }

 private:
  int fd_;
};

struct Program {
  std::string_view name;
  ExitCode (*parse)(int argc, const char* const* argv);  // ok: these are options to go on with
};

template <auto parse_options, auto&... more>
ExitCode code_of(int argc, const char* const* argv) {
  const auto parsed = parse_options(argc, argv, more..., nullptr);
  const auto* code = std::get_if<ExitCode>(&parsed);
  return code == nullptr ? ExitCode::ok : *code;
}

constexpr std::array readers{
    Program{"saspd", code_of<&director::parse_options, programs::backends>},
    Program{"sasp-gwm", code_of<&gwm::parse_options>},
    Program{"sasp-member", code_of<&member::parse_options>}};

struct Run {
  ExitCode code = ExitCode::ok;
  std::string out;
  std::string err;
};

const MemoryFile& config() {
  static const MemoryFile file;
  return file;
}

const MemoryFile& output() {
  static const MemoryFile file;
  static const bool replaced = ::dup2(file.fd(), STDOUT_FILENO) == STDOUT_FILENO;
  check(replaced);
  return file;
}

Run run(const Program& program, std::string_view text, bool print) {
  config().set(text);
  output().clear();
  std::vector<std::string> arguments{std::string(program.name), "--config", config().path()};
  if (print) arguments.emplace_back("--print-config");
  if (program.name == "sasp-member") arguments.insert(arguments.begin() + 1, "run");
  std::vector<const char*> argv;
  for (const auto& argument : arguments)
    argv.push_back(argument.c_str());

  std::ostringstream err;
  std::streambuf* const real = std::cerr.rdbuf(err.rdbuf());
  const ExitCode code = program.parse(static_cast<int>(argv.size()), argv.data());
  std::cerr.rdbuf(real);
  std::fflush(stdout);
  return {code, output().content(), err.str()};
}

void check_refusal(const Program& program, const Run& run, std::string_view text) {
  check(run.code == ExitCode::configuration || run.code == ExitCode::usage);
  const std::string begin = std::string(program.name) + ": ";
  const auto of_file = begin + config().path() + ":";
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  std::uint64_t before = 1;
  for (std::string_view said = run.err; !said.empty();) {
    const auto line = said.substr(0, said.find('\n'));
    said.remove_prefix(line.size() + 1);
    check(is_clean_utf8(line) && line.starts_with(begin));
    if (!line.starts_with(of_file)) return;  // what needs more than one line
    check(run.code == ExitCode::configuration);
    const auto rest = line.substr(of_file.size());
    const auto number = parse_number(rest.substr(0, rest.find(':')), before, lines);
    check(number.has_value());  // in order
    before = *number;
  }
}

void check_shown(std::string_view text, std::string_view printed) {
  const auto shown = cli::parse_config(printed);
  for (const auto& line : cli::parse_config(text)) {
    check(line.wrong.empty());
    check(std::any_of(shown.begin(), shown.end(), [&](const auto& other) {
      return other.key == line.key && other.value == line.value;
    }));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Program& program = readers.at(data[0] % readers.size());
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Run given = run(program, text, false);
  if (given.code != ExitCode::ok) {
    check_refusal(program, given, text);
    return 0;
  }
  check(given.err.empty() && given.out.empty());
  const Run printed = run(program, text, true);
  check(printed.code == ExitCode::ok && printed.err.empty());
  check_shown(text, printed.out);
  const Run again = run(program, printed.out, true);
  check(again.code == ExitCode::ok && again.out == printed.out);
  return 0;
}
