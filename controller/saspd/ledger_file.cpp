// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/ledger_file.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>

namespace saspd::director {
namespace {

// A unit with ProcSubset=pid does not see the file, and gets the value from its environment.
std::string boot_id() {
  std::string text;
  if (std::ifstream file("/proc/sys/kernel/random/boot_id"); file) {
    std::getline(file, text);
  } else if (const char* told = std::getenv("SASPD_BOOT_ID")) {
    text = told;
  }
  std::erase_if(text, [](char c) { return c == '-' || c == '\n' || c == ' '; });
  return text.empty() ? std::string(LedgerPlace::unknown) : text;
}

// The cookie is never used again in a boot, the number of the file is.
std::string namespace_id(const struct stat& of_file) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (socket && ::getsockopt(socket.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) == 0) {
    return fmt::format("cookie:{}", cookie);
  }
  return fmt::format("inode:{}", of_file.st_ino);
}

// As ip netns identify finds it.
std::string namespace_name(const struct stat& of_file) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/run/netns", error)) {
    struct stat found {};
    if (::stat(entry.path().c_str(), &found) == 0 && found.st_dev == of_file.st_dev &&
        found.st_ino == of_file.st_ino) {
      std::string name = entry.path().filename().string();
      std::replace_if(
          name.begin(), name.end(), [](char c) { return c <= ' '; }, '_');
      return name;
    }
  }
  return {};
}

}  // namespace

LedgerPlace ledger_place(std::string backend) {
  struct stat of_file {};
  if (::stat("/proc/self/ns/net", &of_file) != 0) of_file = {};
  return {std::move(backend), boot_id(), namespace_id(of_file), namespace_name(of_file)};
}

LedgerFile::LedgerFile(std::string path, LedgerPlace place)
    : file_(std::move(path), {"ledger", "saspd", "--ledger"}), place_(std::move(place)) {}

Ledger LedgerFile::load(std::vector<std::string>& warnings) {
  if (const auto locked = file_.lock(); !locked) error_ = locked.error().detail;
  if (file_.of_another()) return {};
  auto ledger = parse();
  if (ledger) return std::move(*ledger);
  warnings.push_back(file_.put_aside(ledger.error()));
  return {};
}

Ledger LedgerFile::look(std::vector<std::string>& warnings) const {
  auto ledger = parse();
  if (ledger) return std::move(*ledger);
  warnings.push_back(file_.not_used(ledger.error()));
  return {};
}

Result<Ledger> LedgerFile::parse() const {
  auto ledger = file_.read([this](std::string_view text) { return Ledger::parse(text, place_); });
  const bool none = !ledger && ledger.error().code == std::errc::no_such_file_or_directory;
  return none ? Ledger() : std::move(ledger);
}

bool LedgerFile::keep(const Ledger& ledger) {
  if (file_.of_another()) return true;  // nothing to be tried again
  auto done = file_.lock();
  if (done) {
    done = file_.write(ledger.text(place_));
    // The old text says of zeros that they are ours which may be another's by the next start.
    if (!done) file_.spoil();
  }
  error_ = done ? std::string() : done.error().detail;
  return done.has_value() || file_.of_another();
}

}  // namespace saspd::director
