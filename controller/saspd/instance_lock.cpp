#include "controller/saspd/instance_lock.hpp"

#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace saspd {
namespace {

// "pid 4711 of user saspd", as it was when it took the lock; empty: not known.
std::string holder_of(const sockaddr* address, socklen_t length) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = fd >= 0 && ::connect(fd, address, length) == 0 &&
                     ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  if (fd >= 0) ::close(fd);
  if (!known || peer.pid == 0) return {};  // 0: of another PID namespace
  const passwd* user = ::getpwuid(peer.uid);
  return fmt::format("pid {} of user {}", peer.pid,
                     user != nullptr ? std::string(user->pw_name) : std::to_string(peer.uid));
}

}  // namespace

Result<InstanceLock> InstanceLock::take(std::string_view backend) {
  InstanceLock lock(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string name = fmt::format("saspd-{}", backend);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A leading NUL makes the name abstract, unix(7).
  name.copy(&address.sun_path[1], sizeof address.sun_path - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  if (lock.fd_ < 0 || ::bind(lock.fd_, at, length) != 0) {
    const std::error_code code(errno, std::generic_category());
    const std::string holder =
        code == std::errc::address_in_use ? holder_of(at, length) : std::string();
    return fail(code, fmt::format("abstract socket @{}: {}", name,
                                  holder.empty() ? code.message() : "held by " + holder));
  }
  ::listen(lock.fd_, SOMAXCONN);  // for holder_of(); nobody is accepted
  return lock;
}

InstanceLock::InstanceLock(InstanceLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

InstanceLock& InstanceLock::operator=(InstanceLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

InstanceLock::~InstanceLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace saspd
