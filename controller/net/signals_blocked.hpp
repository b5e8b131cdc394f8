// SPDX-License-Identifier: Apache-2.0
// A thread takes signals too: of two that follow each other, SIGTERM might then overtake SIGHUP. One
// that is started meanwhile inherits what is blocked.
#pragma once

#include <csignal>

namespace saspd::net {

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace saspd::net
