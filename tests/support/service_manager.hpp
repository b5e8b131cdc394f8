// SPDX-License-Identifier: Apache-2.0
// The ear of a service manager: programs that are started as long as it lives tell it what they
// tell systemd (sd_notify(3)).
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tests/support/program.hpp"

namespace saspd::test {

class ServiceManager {
 public:
  // At `path`; wants to hear WATCHDOG=1 within 0.4 s.
  explicit ServiceManager(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "400000", 1);
  }
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;
  ~ServiceManager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(fd_);
  }

  // Whether it hears this text, or has heard it already.
  bool hears(const std::string& text) {
    return eventually([&] { return heard().find(text) != std::string::npos; });
  }
  // One message per line, or several where a message has them.
  const std::string& heard() {
    char buffer[4096];
    for (ssize_t n = 0; (n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT)) >= 0;)
      heard_ += std::string(buffer, static_cast<std::size_t>(n)) + "\n";
    return heard_;
  }
  void forget() {
    heard();
    heard_.clear();
  }

 private:
  int fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  std::string heard_;
};

}  // namespace saspd::test
