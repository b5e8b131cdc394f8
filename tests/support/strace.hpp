// SPDX-License-Identifier: Apache-2.0
// strace(1) at a program: one of its system calls fails, or is its last.
#pragma once

#include <fmt/format.h>

#include <csignal>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/program.hpp"

namespace saspd::test {

// The nth call (1 is the first) of that name meets this: "error=ENOMEM", "signal=KILL".
struct Fault {
  std::string call;
  int nth = 0;
  std::string what;

  bool kills() const { return what.starts_with("signal"); }
  std::string text() const { return fmt::format("{} at {} {}", what, call, nth); }
};

// A call that was seen.
struct Call {
  std::string name;
  int nth = 0;        // of that name; 1 is the first
  std::string place;  // alike in calls for the same: "bpf(BPF_MAP_LOOKUP_ELEM, {map_fd=16"

  bool reads() const {
    if (name == "recvmsg") return true;
    for (const char* command : {"MAP_LOOKUP_", "MAP_GET_NEXT_KEY", "OBJ_GET,", "_GET_FD_BY_ID",
                                "_GET_INFO_BY_FD", "PROG_QUERY"}) {
      if (place.find(command) != std::string::npos) return name == "bpf";
    }
    return false;
  }
};

class Strace {
 public:
  // Of these calls, separated by commas; with at most one fault.
  Strace(std::string calls, const std::optional<Fault>& fault, std::string log)
      : calls_(std::move(calls)), log_(std::move(log)) {
    std::ofstream{log_};
    if (fault)
      injection_ = fmt::format("inject={}:{}:when={}", fault->call, fault->what, fault->nth);
  }

  // To be put in front of a program, which remains the child of whoever starts it.
  Arguments in_front() const {
    auto arguments = flags();
    arguments.insert(arguments.begin() + 1, "-D");
    return arguments;
  }
  // Or at one that runs.
  void attach(pid_t pid) {
    auto arguments = flags();
    arguments.insert(arguments.end(), {"-p", std::to_string(pid)});
    own_.emplace(arguments, log_ + ".strace");
    // It is stopped for that. Of a signal that comes meanwhile not every call would be seen.
    const auto attached = fmt::format("Process {} attached", pid);
    EXPECT_TRUE(eventually([&] {
      return hit() ||
             (own_->times_logged(attached) > 0 && status_of(pid, "State:").starts_with("S"));
    })) << own_->log();
  }
  // From now on the program meets no fault any more. (What a shell runs in the background ignores
  // SIGINT.)
  void leave(pid_t pid) {
    if (const pid_t tracer = tracer_of(pid); tracer != 0) ::kill(tracer, SIGTERM);
    EXPECT_TRUE(eventually([&] { return tracer_of(pid) == 0; }));
    // Its last words come after the end of the program.
    const bool ended = status_of(pid, "State:").empty();
    if (own_)
      own_->wait(std::chrono::seconds{30});
    else if (ended)
      eventually([this] { return log().find("+++ ") != std::string::npos; });
    own_.reset();
  }

  bool hit() const { return log().find("(INJECTED)") != std::string::npos || killed(); }
  bool killed() const { return log().find("+++ killed by SIGKILL +++") != std::string::npos; }
  // In their order; when it is told to stop only those from then on.
  std::vector<Call> calls() const {
    std::vector<Call> calls;
    std::map<std::string, int> counts;
    std::ifstream file(log_);
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("--- SIGTERM")) {
        calls.clear();
        counts.clear();
      }
      const auto name = line.substr(0, line.find('('));
      if (("," + calls_ + ",").find("," + name + ",") == std::string::npos) continue;
      const auto place = line.substr(0, line.find(',', line.find(',') + 1));
      calls.push_back({name, ++counts[name], place});
    }
    return calls;
  }

 private:
  Arguments flags() const {
    Arguments arguments{"strace", "-I", "1", "-o", log_, "-e", "trace=" + calls_};
    if (!injection_.empty()) arguments.insert(arguments.end(), {"-e", injection_});
    return arguments;
  }
  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // 0: nobody, or the program has ended.
  static pid_t tracer_of(pid_t pid) {
    const auto tracer = status_of(pid, "TracerPid:");
    return tracer.empty() ? 0 : std::stoi(tracer);
  }
  // Empty: it has ended.
  static std::string status_of(pid_t pid, const std::string& key) {
    std::ifstream file(fmt::format("/proc/{}/status", pid));
    for (std::string word; file >> word;) {
      if (word == key && file >> word) return word;
    }
    return {};
  }

  std::string calls_;
  std::string log_;
  std::string injection_;
  std::optional<Program> own_;
};

}  // namespace saspd::test
