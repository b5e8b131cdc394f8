// SPDX-License-Identifier: Apache-2.0
// Certificates made by packaging/test-pki, in a folder that ends with this object.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "controller/base/tls_settings.hpp"

namespace saspd::test {

class TestPki {
 public:
  TestPki() {
    std::string directory = ::testing::TempDir() + "test-pki.XXXXXX";
    directory_ = ::mkdtemp(directory.data());
    run({"--san", "DNS:gwm.example", directory_});
  }
  TestPki(const TestPki&) = delete;
  TestPki& operator=(const TestPki&) = delete;
  ~TestPki() { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& file) const { return directory_ + "/" + file; }

  // A certificate of its own, with options of `test-pki issue`.
  void issue(const std::string& name, std::vector<std::string> options = {}) const {
    options.insert(options.begin(), "issue");
    options.insert(options.end(), {directory_, name});
    run(options);
  }
  void revoke(const std::string& name) const { run({"revoke", directory_, name}); }

  // Who believes this CA, and has this certificate; none if it has no name.
  TlsSettings settings(const std::string& name = {}) const {
    TlsSettings settings;
    settings.ca = path("ca.pem");
    if (!name.empty()) settings.cert = path(name + ".pem");
    if (!name.empty()) settings.key = path(name + ".key");
    return settings;
  }

  // A shell command in the folder, for what test-pki does not make.
  void shell(const std::string& command) const {
    const auto whole =
        fmt::format("cd '{}' && ({}) >log 2>&1 || {{ cat log >&2; exit 1; }}", directory_, command);
    ASSERT_EQ(std::system(whole.c_str()), 0) << command;
  }

 private:
  static void run(const std::vector<std::string>& arguments) {
    const auto command = fmt::format(TESTS_DIR "/../packaging/test-pki '{}' >/dev/null",
                                     fmt::join(arguments, "' '"));
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  std::string directory_;
};

}  // namespace saspd::test
