// SPDX-License-Identifier: Apache-2.0
// What a running program takes over, of all its keys: those that its page lists under RELOAD, and
// nothing that somebody forgot to think of.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "controller/gwm/options.hpp"
#include "controller/member/options.hpp"
#include "controller/programs/saspd/backends.hpp"
#include "controller/saspd/options.hpp"

namespace saspd::programs {
namespace {

using Keys = std::set<std::string>;

struct Case {
  std::string program;
  cli::Settings settings;
};

template <class Parse>
cli::Settings settings_of(Parse parse, const std::vector<const char*>& arguments) {
  const auto parsed = parse(static_cast<int>(arguments.size()), arguments.data());
  return std::visit(
      [](const auto& either) {
        if constexpr (requires { either.settings; }) return either.settings;
        return cli::Settings();
      },
      parsed);
}

std::vector<Case> all() {
  return {
      {"saspd", settings_of(
                    [](int argc, const char* const* argv) {
                      return director::parse_options(argc, argv, backends);
                    },
                    {"saspd", "--gwm", "127.0.0.1", "--service", "web=tcp:192.0.2.10:80"})},
      {"sasp-gwm",
       settings_of([](int argc, const char* const* argv) { return gwm::parse_options(argc, argv); },
                   {"sasp-gwm"})},
      {"sasp-member",
       settings_of(
           [](int argc, const char* const* argv) { return member::parse_options(argc, argv); },
           {"sasp-member", "run", "--gwm", "127.0.0.1", "--lb-uid", "d1", "--group", "web",
            "--member", "tcp:10.0.0.1:80"})},
  };
}

// ".Fl -tls-ca ," under RELOAD, behind the words that begin the list.
Keys documented(const std::string& program) {
  std::ifstream page(TESTS_DIR "/../packaging/man/" + program + ".8");
  Keys keys;
  bool listed = false;
  for (std::string line; std::getline(page, line);) {
    if (line == "These flags can be changed by a reload:") {
      listed = true;
    } else if (listed && line.starts_with(".Fl -")) {
      keys.insert(line.substr(5, line.find(' ', 5) - 5));
    } else {
      listed = false;
    }
  }
  return keys;
}

TEST(LiveKeys, AreThoseOfThePage) {
  for (const auto& [program, settings] : all()) {
    ASSERT_FALSE(settings.empty()) << program;
    Keys live;
    for (const auto& setting : settings) {
      if (setting.is_live) live.insert(setting.key);
    }
    EXPECT_EQ(live, documented(program)) << program;
  }
}

TEST(LiveKeys, LeaveARestartToAllOthers) {
  for (const auto& [program, settings] : all()) {
    for (std::size_t i = 0; i < settings.size(); ++i) {
      auto changed = settings;
      changed[i].values.push_back("another");
      const auto changes = cli::difference(settings, changed);
      ASSERT_EQ(changes.size(), 1U) << program << " " << settings[i].key;
      EXPECT_EQ(cli::needing_restart(changes), settings[i].is_live ? "" : settings[i].key);
    }
  }
}

}  // namespace
}  // namespace saspd::programs
