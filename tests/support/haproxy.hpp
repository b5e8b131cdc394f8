// SPDX-License-Identifier: Apache-2.0
// A real HAProxy that checks servers, and what it makes of them.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "tests/support/program.hpp"

namespace saspd::test {

class Haproxy {
 public:
  // `config` is what stands behind the global section and the defaults. `folder` is for its files.
  Haproxy(const std::string& folder, const std::string& config)
      : socket_(folder + "/haproxy.stats"), log_(folder + "/haproxy.log") {
    const std::string file = folder + "/haproxy.cfg";
    std::ofstream(file) << "global\n  stats socket " << socket_
                        << " level admin\n"
                           "defaults\n  mode http\n  timeout connect 10s\n  timeout client 10s\n"
                           "  timeout server 10s\n  timeout check 3s\n"
                        << config;
    program_.emplace(Arguments{"/usr/sbin/haproxy", "-db", "-f", file}, log_);
  }

  std::string log() const { return program_->log(); }

  // The answer to a command of its runtime API; empty: it does not run yet.
  std::string ask(const std::string& command) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::copy(socket_.begin(), socket_.end(), address.sun_path);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::string answer;
    const std::string line = command + "\n";
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, line.data(), line.size(), MSG_NOSIGNAL) == std::ssize(line)) {
      std::array<char, 4096> buffer{};
      for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;)
        answer.append(buffer.data(), static_cast<std::size_t>(n));
    }
    ::close(fd);
    return answer;
  }

  // The fields of `show stat` by their names, by the names of the servers.
  std::map<std::string, std::map<std::string, std::string>> servers() const {
    std::istringstream text(ask("show stat"));
    std::string line;
    std::getline(text, line);
    if (!line.starts_with("# ")) return {};
    const auto names = fields(line.substr(2));
    std::map<std::string, std::map<std::string, std::string>> rows;
    while (std::getline(text, line) && !line.empty()) {
      const auto values = fields(line);
      auto& row = rows[values.size() > 1 ? values[1] : ""];
      for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i)
        row[names[i]] = values[i];
    }
    return rows;
  }

 private:
  static std::vector<std::string> fields(const std::string& line) {
    std::vector<std::string> all;
    std::istringstream text(line);
    for (std::string field; std::getline(text, field, ',');)
      all.push_back(field);
    return all;
  }

  std::string socket_;
  std::string log_;
  std::optional<Program> program_;
};

}  // namespace saspd::test
