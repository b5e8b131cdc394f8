// SPDX-License-Identifier: Apache-2.0
// A process that is met at one of its system calls: killed before or after it, or the call fails.
// So that a sweep reaches every state that a crash can leave. x86-64.
#pragma once

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>

namespace saspd::kernel {

// A lost call returns 1, and was not made.
enum class Fate { killed_before, killed_after, fails, lost };

class Traced {
 public:
  // Runs `action` in a process of its own and does this to its nth call (0 is the first) of the
  // system call `number` after from_here(); `error` is what a failing one sets errno to.
  Traced(const std::function<void()>& action, long number, std::size_t nth, Fate fate,
         int error = ENOMEM)
      : number_(number), nth_(nth), fate_(fate), error_(error), child_(::fork()) {
    if (child_ < 0) throw std::runtime_error("fork");
    if (child_ == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      try {
        action();
      } catch (...) {  // what comes of a call that fails
      }
      ::_exit(0);
    }
    follow();
  }

  // Said by `action` where the sweep is to begin.
  static void from_here() { ::syscall(marker); }

  // Else the process came to its end without that many calls, and a sweep has had them all.
  bool met() const { return met_; }

 private:
  static constexpr long marker = SYS_getppid;  // a call that nobody else makes

  void follow() {
    int status = 0;
    ::waitpid(child_, &status, 0);
    ::ptrace(PTRACE_SETOPTIONS, child_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    bool inside = false;
    for (int signal = 0;;) {
      ::ptrace(PTRACE_SYSCALL, child_, nullptr, signal);
      signal = 0;
      if (::waitpid(child_, &status, 0) < 0) throw std::runtime_error("waitpid");
      if (WIFEXITED(status) || WIFSIGNALED(status)) break;
      if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
        signal = WSTOPSIG(status);
        continue;
      }
      inside = !inside;
      inside ? enters() : leaves();
    }
    const bool as_wanted = fate_ == Fate::fails || fate_ == Fate::lost || !met_
                               ? WIFEXITED(status) != 0
                               : WIFSIGNALED(status) != 0;
    if (!as_wanted)
      throw std::runtime_error("the process ended with status " + std::to_string(status));
  }

  void enters() {
    const long number =
        ::ptrace(PTRACE_PEEKUSER, child_, offset(&user_regs_struct::orig_rax), nullptr);
    begun_ = begun_ || number == marker;
    if (met_ || !begun_ || number != number_ || calls_++ != nth_) return;
    met_ = here_ = true;
    if (fate_ == Fate::killed_before) ::kill(child_, SIGKILL);
    if (fate_ == Fate::fails || fate_ == Fate::lost) poke(&user_regs_struct::orig_rax, -1);
  }
  void leaves() {
    if (!here_) return;
    here_ = false;
    if (fate_ == Fate::killed_after) ::kill(child_, SIGKILL);
    if (fate_ == Fate::fails) poke(&user_regs_struct::rax, -error_);
    if (fate_ == Fate::lost) poke(&user_regs_struct::rax, 1);
  }

  using Register = unsigned long long user_regs_struct::*;
  static void* offset(Register of) {
    static const user_regs_struct registers{};
    return reinterpret_cast<void*>(  // NOLINT: what ptrace() wants
        reinterpret_cast<const char*>(&(registers.*of)) -
        reinterpret_cast<const char*>(&registers));
  }
  void poke(Register of, long value) const { ::ptrace(PTRACE_POKEUSER, child_, offset(of), value); }

  long number_;
  std::size_t nth_;
  Fate fate_;
  int error_;
  pid_t child_;
  std::size_t calls_ = 0;
  bool begun_ = false;
  bool met_ = false;
  bool here_ = false;
};

}  // namespace saspd::kernel
