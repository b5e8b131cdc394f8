// SPDX-License-Identifier: Apache-2.0
// What a running program may do, as the kernel has it, and machines with and without a user.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include <fmt/format.h>

#include "tests/support/program.hpp"

namespace saspd::test {

// In front of a command: there is this user, with a group of the same name and number, or there is
// none, whatever the machine has. It is in another group, too, if that has a number. For the
// command alone, in a mount namespace. Root is needed.
inline Arguments where_user(const std::string& directory, const std::string& name,
                            std::optional<int> number, int other_group = 0) {
  const int id = number.value_or(0);
  const auto write = [&](const std::string& file, const std::string& line) {
    std::ifstream from("/etc/" + file);
    std::ofstream to(directory + "/" + file);
    for (std::string known; std::getline(from, known);) {
      if (!known.starts_with(name + ":")) to << known << "\n";
    }
    if (number) to << line << "\n";
  };
  write("passwd", fmt::format("{}:x:{}:{}::/:/usr/sbin/nologin", name, id, id));
  std::string groups = fmt::format("{}:x:{}:", name, id);
  if (other_group != 0) groups += fmt::format("\n{0}-keys:x:{1}:{0}", name, other_group);
  write("group", groups);
  const std::string script = fmt::format(
      "mount --bind '{0}/passwd' /etc/passwd && mount --bind '{0}/group' /etc/group && exec \"$@\"",
      directory);
  return {"unshare", "--mount", "sh", "-c", script, "sh"};
}

// In front of a command: it is somebody without rights, in no group but this one. Root is needed.
inline Arguments as_somebody_in(gid_t group) {
  return {"setpriv", "--reuid=4712", "--regid=4712", fmt::format("--groups={}", group)};
}

// Fields of /proc/PID/status: "Uid" is "1000\t1000\t1000\t1000".
struct Rights {
  std::string user, group, groups, no_new_privileges;
  std::uint64_t effective = 0, permitted = 0, inheritable = 0, bounding = 0, ambient = 0;
};

inline Rights rights_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  std::map<std::string, std::string> fields;
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(":\t");
    if (colon != std::string::npos) fields[line.substr(0, colon)] = line.substr(colon + 2);
  }
  const auto set = [&](const char* name) { return std::stoull(fields.at(name), nullptr, 16); };
  return {fields.at("Uid"),        fields.at("Gid"), fields.at("Groups"),
          fields.at("NoNewPrivs"), set("CapEff"),    set("CapPrm"),
          set("CapInh"),           set("CapBnd"),    set("CapAmb")};
}

// Real, effective, saved and of files: all are `user`, and nothing but `capabilities` is left in
// any set, now or by running another program.
inline void expect_only(pid_t pid, int user, std::uint64_t capabilities) {
  // The last thing that is done; it says that it listens before.
  EXPECT_TRUE(eventually([&] { return rights_of(pid).no_new_privileges == "1"; }));
  const Rights rights = rights_of(pid);
  const auto four = fmt::format("{0}\t{0}\t{0}\t{0}", user);
  EXPECT_EQ(rights.user, four);
  EXPECT_EQ(rights.group, four);
  EXPECT_EQ(rights.groups, user == 0 ? " " : fmt::format("{} ", user)) << "its own group alone";
  EXPECT_EQ(rights.effective, capabilities);
  EXPECT_EQ(rights.permitted, capabilities);
  EXPECT_EQ(rights.inheritable, 0U);
  EXPECT_EQ(rights.bounding, 0U);
  EXPECT_EQ(rights.ambient, 0U);
}

inline constexpr std::uint64_t cap_dac_read_search = 1U << 2U;  // capabilities(7)
inline constexpr std::uint64_t cap_net_admin = 1U << 12U;

}  // namespace saspd::test
