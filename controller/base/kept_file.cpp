// SPDX-License-Identifier: Apache-2.0

#include "controller/base/kept_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace saspd {
namespace {

Error failed(std::string_view path, std::string_view what) {
  const std::error_code code(errno, std::generic_category());
  return fail(code, fmt::format("{}: {}: {}", path, what, code.message()));
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

}  // namespace

std::string KeptFile::make_folder(const std::string& path) {
  const std::string folder = folder_of(path);
  return ::mkdir(folder.c_str(), 0750) == 0 ? folder : std::string();
}

// The lock is on a file beside it, because a lock belongs to a file, not to its name.
Result<void> KeptFile::lock() {
  if (lock_) return {};
  const std::string path = lock_path();
  Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return failed(path, "open");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    of_another_ = errno == EWOULDBLOCK;
    if (!of_another_) return failed(path, "lock");
    return fail(std::errc::device_or_resource_busy,
                fmt::format("{}: in use by another {}; each needs a {} PATH of its own", path_,
                            about_.program, about_.flag));
  }
  lock_ = std::move(file);
  return {};
}

Result<std::string> KeptFile::read() const {
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
            "it belongs to uid {} with mode {:o}, so users other than root and {} may write it",
            found.st_uid, found.st_mode & 07777, about_.program));
  }
  std::string text;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(path_, "read");
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > about_.max_size) {
      return fail(std::errc::file_too_large,
                  fmt::format("{}: too large for a {}", path_, about_.noun));
    }
  }
}

Result<void> KeptFile::write(std::string_view text) const {
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

void KeptFile::spoil() const {
  (void)!::truncate(path_.c_str(), 0);
}

std::string KeptFile::not_used(const Error& why) const {
  return fmt::format("the {} {} is not used: {}", about_.noun, path_, why.detail);
}

std::string KeptFile::put_aside(const Error& why) const {
  const bool strange =
      why.code == std::errc::illegal_byte_sequence || why.code == std::errc::not_supported;
  const std::string aside = path_ + ".bad";
  if (!strange || ::rename(path_.c_str(), aside.c_str()) != 0) return not_used(why);
  return fmt::format("{}; it is now {}", not_used(why), aside);
}

}  // namespace saspd
