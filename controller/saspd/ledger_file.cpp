// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/ledger_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace saspd::director {
namespace {

constexpr off_t max_size = 64 << 20;

Error failed(std::string_view path, std::string_view what) {
  const std::error_code code(errno, std::generic_category());
  return fail(code, fmt::format("{}: {}: {}", path, what, code.message()));
}

Result<std::string> read_all(int file, std::string_view path) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = ::read(file, buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(path, "read");
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > static_cast<std::size_t>(max_size)) {
      return fail(std::errc::file_too_large, fmt::format("{}: too large for a ledger", path));
    }
  }
}

Result<void> write_all(int file, std::string_view text, std::string_view path) {
  while (!text.empty()) {
    const ssize_t size = ::write(file, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(path, "write");
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

// A unit with ProcSubset=pid does not see the file, and gets the value from its environment.
std::string boot_id() {
  const Descriptor file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  std::string text;
  if (file) {
    if (auto read = read_all(file.get(), "boot_id")) text = std::move(*read);
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
    : path_(std::move(path)), place_(std::move(place)) {}

std::string LedgerFile::make_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  return ::mkdir(folder.c_str(), 0750) == 0 ? folder : std::string();
}

Ledger LedgerFile::load(std::vector<std::string>& warnings) {
  if (const auto locked = lock(); !locked) error_ = locked.error().detail;
  if (of_another_) return {};
  auto ledger = parse();
  if (ledger) return std::move(*ledger);
  const auto& code = ledger.error().code;
  warnings.push_back(ledger.error().detail);
  const bool strange = code == std::errc::illegal_byte_sequence || code == std::errc::not_supported;
  const std::string aside = path_ + ".bad";
  if (strange && ::rename(path_.c_str(), aside.c_str()) == 0) {
    warnings.back() += fmt::format("; it is now {}", aside);
  }
  return {};
}

Ledger LedgerFile::look(std::vector<std::string>& warnings) const {
  auto ledger = parse();
  if (ledger) return std::move(*ledger);
  warnings.push_back(ledger.error().detail);
  return {};
}

Result<Ledger> LedgerFile::parse() const {
  const auto text = read();
  if (!text && text.error().code == std::errc::no_such_file_or_directory) return Ledger();
  auto ledger = text ? Ledger::parse(*text, place_) : fail(text.error());
  if (ledger) return ledger;
  return fail(ledger.error().code,
              fmt::format("the ledger {} is not used: {}", path_, ledger.error().detail));
}

bool LedgerFile::keep(const Ledger& ledger) {
  if (of_another_) return true;  // nothing to be tried again
  auto done = lock();
  if (done) done = write(ledger.text(place_));
  error_ = done ? std::string() : done.error().detail;
  return done.has_value() || of_another_;
}

// The lock is on a file beside it, because a lock belongs to a file, not to its name.
Result<void> LedgerFile::lock() {
  if (lock_) return {};
  const std::string path = path_ + ".lock";
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return failed(path, "open");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    of_another_ = errno == EWOULDBLOCK;
    if (!of_another_) return failed(path, "lock");
    return fail(
        std::errc::device_or_resource_busy,
        fmt::format("{}: in use by another saspd; each needs a --ledger PATH of its own", path_));
  }
  lock_ = std::move(file);
  return {};
}

Result<std::string> LedgerFile::read() const {
  const Descriptor file(
      ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file) return failed(path_, "open");
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return failed(path_, "stat");
  if (!S_ISREG(found.st_mode)) {
    return fail(std::errc::invalid_argument, "it is not a regular file");
  }
  if ((found.st_uid != 0 && found.st_uid != ::geteuid()) || (found.st_mode & 022) != 0) {
    return fail(
        std::errc::operation_not_permitted,
        fmt::format(
            "it belongs to uid {} with mode {:o}, so users other than root and saspd may write it",
            found.st_uid, found.st_mode & 07777));
  }
  return read_all(file.get(), path_);
}

Result<void> LedgerFile::write(const std::string& text) const {
  const std::string aside = path_ + ".new";
  ::unlink(aside.c_str());
  const Descriptor file(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) return failed(aside, "open");
  if (const auto written = write_all(file.get(), text, aside); !written) return written;
  if (::fsync(file.get()) != 0) return failed(aside, "fsync");
  if (::rename(aside.c_str(), path_.c_str()) != 0) return failed(path_, "rename");
  const std::string folder = folder_of(path_);
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened || ::fsync(opened.get()) != 0) return failed(folder, "fsync");
  return {};
}

}  // namespace saspd::director
