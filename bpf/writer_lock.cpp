// SPDX-License-Identifier: Apache-2.0

#include "bpf/writer_lock.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

namespace saspd::bpf {
namespace {

std::string directory_in(const std::string& pins) {
  return fmt::format("{}/{}", pins, WriterLock::directory);
}

// A link that leads nowhere: the bpf file system has no ordinary files.
std::string note_in(const std::string& pins) {
  return directory_in(pins) + "/holder";
}

std::string ourselves() {
  const passwd* user = ::getpwuid(::geteuid());
  return fmt::format("pid {} of user {}", ::getpid(),
                     user != nullptr ? std::string(user->pw_name) : std::to_string(::geteuid()));
}

// Nothing depends on it, so it may fail.
void leave_note(const std::string& pins) {
  const std::string note = note_in(pins);
  ::unlink(note.c_str());
  (void)!::symlink(ourselves().c_str(), note.c_str());
}

std::string note(const std::string& pins) {
  std::error_code code;
  const auto target = std::filesystem::read_symlink(note_in(pins), code);
  return code ? std::string("another process") : target.string();
}

Descriptor open_directory(const std::string& pins) {
  return Descriptor(
      ::open(directory_in(pins).c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Error system_error_at(const std::string& pins) {
  const std::error_code code(errno, std::generic_category());
  return fail(code, fmt::format("{}: {}", directory_in(pins), code.message()));
}

}  // namespace

Result<void> WriterLock::make(const std::string& pins, uid_t user, gid_t group) {
  const std::string path = directory_in(pins);
  const bool made = ::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST;
  if (!made || ::chmod(path.c_str(), 0700) != 0 || ::chown(path.c_str(), user, group) != 0) {
    return system_error_at(pins);
  }
  return {};
}

Result<void> WriterLock::remove(const std::string& pins) {
  ::unlink(note_in(pins).c_str());
  if (::rmdir(directory_in(pins).c_str()) != 0 && errno != ENOENT) return system_error_at(pins);
  return {};
}

Result<WriterLock> WriterLock::take(const std::string& pins, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds pause{20};
  const auto end = std::chrono::steady_clock::now() + patience;
  Descriptor directory = open_directory(pins);
  if (!directory) return system_error_at(pins);
  while (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return system_error_at(pins);
    if (std::chrono::steady_clock::now() >= end) {
      return fail(std::errc::address_in_use,
                  fmt::format("the maps below {} are written by {}", pins, note(pins)));
    }
    std::this_thread::sleep_for(pause);
  }
  leave_note(pins);
  return WriterLock(std::move(directory));
}

std::optional<std::string> WriterLock::holder(const std::string& pins) {
  const Descriptor directory = open_directory(pins);
  if (!directory || ::flock(directory.get(), LOCK_SH | LOCK_NB) == 0) return std::nullopt;
  return note(pins);
}

bool WriterLock::is_of(const std::string& pins) const {
  struct stat ours {};
  struct stat there {};
  return ::fstat(locked_.get(), &ours) == 0 && ::stat(directory_in(pins).c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

}  // namespace saspd::bpf
