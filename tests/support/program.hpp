// SPDX-License-Identifier: Apache-2.0
// One of our programs, started as an operator starts it: with arguments, a log, signals, an exit
// code.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace saspd::test {

using Arguments = std::vector<std::string>;

class Program {
 public:
  // `log` takes stdout and stderr.
  Program(const Arguments& arguments, std::string log) : log_(std::move(log)) {
    std::vector<char*> argv;
    for (const auto& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int out = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (exit_) return;
    send(SIGKILL);
    wait(std::chrono::seconds{10});
  }

  void send(int signal) const { ::kill(pid_, signal); }

  // All of them before the program sees the first one.
  void send_at_once(std::initializer_list<int> signals) const {
    int status = 0;
    send(SIGSTOP);
    ::waitpid(pid_, &status, WUNTRACED);
    for (const int signal : signals)
      send(signal);
    send(SIGCONT);
  }

  // The exit code; 128 + N for signal N; nothing when it still runs after `patience`.
  std::optional<int> wait(std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!exit_) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      } else if (std::chrono::steady_clock::now() > end) {
        break;
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
      }
    }
    return exit_;
  }

  std::string log() const {
    std::ifstream file(log_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::size_t times_logged(const std::string& text) const {
    const std::string all = log();
    std::size_t n = 0;
    for (auto at = all.find(text); at != std::string::npos; at = all.find(text, at + 1))
      ++n;
    return n;
  }
  pid_t pid() const { return pid_; }

 private:
  std::string log_;
  pid_t pid_ = -1;
  std::optional<int> exit_;
};

// What programs said, for a test that failed.
inline void show_logs(const std::vector<std::string>& logs) {
  for (const auto& log : logs) {
    std::ifstream file(log);
    std::cerr << "--- " << log << "\n" << file.rdbuf() << "\n";
  }
}

// True as soon as `condition` is; false when it is not within `patience`.
template <class Condition>
bool eventually(Condition condition,
                std::chrono::milliseconds patience = std::chrono::seconds{30}) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  return true;
}

}  // namespace saspd::test
