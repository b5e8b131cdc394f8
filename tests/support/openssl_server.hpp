// SPDX-License-Identifier: Apache-2.0
// openssl s_server on 127.0.0.1, which demands a client's certificate.
#pragma once

#include <filesystem>
#include <string>

#include <fmt/format.h>

#include "tests/support/program.hpp"
#include "tests/support/test_pki.hpp"

namespace saspd::test {

class OpensslServer {
 public:
  // With the certificate of `name`, and more options of s_server; at a free port unless given.
  OpensslServer(const TestPki& pki, const std::string& name, const Arguments& options = {},
                std::uint16_t port = 0)
      : program_(arguments(pki, name, options, port), pki.path("s_server.log")) {
    EXPECT_TRUE(eventually([this, port] {
      return port != 0 ? program_.times_logged("ACCEPT\n") > 0 : this->port() != 0;
    })) << program_.log();
  }
  // The free one, of the line "ACCEPT 127.0.0.1:PORT".
  std::uint16_t port() const {
    const std::string log = program_.log();
    const auto accept = log.rfind("ACCEPT ");
    const auto colon = accept == std::string::npos ? accept : log.find(':', accept);
    if (colon == std::string::npos || log.find('\n', colon) == std::string::npos) return 0;
    return static_cast<std::uint16_t>(std::stoi(log.substr(colon + 1)));
  }
  std::string log() const { return program_.log(); }

 private:
  static Arguments arguments(const TestPki& pki, const std::string& name, const Arguments& options,
                             std::uint16_t port) {
    std::filesystem::remove(pki.path("s_server.log"));
    Arguments all{"openssl",
                  "s_server",
                  "-4",
                  "-accept",
                  fmt::format("127.0.0.1:{}", port),
                  "-rev",
                  "-cert",
                  pki.path(name + ".pem"),
                  "-key",
                  pki.path(name + ".key"),
                  "-CAfile",
                  pki.path("ca.pem"),
                  "-Verify",
                  "3",
                  "-verify_return_error"};
    all.insert(all.end(), options.begin(), options.end());
    return all;
  }

  Program program_;
};

}  // namespace saspd::test
