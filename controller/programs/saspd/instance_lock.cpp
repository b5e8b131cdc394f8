// SPDX-License-Identifier: Apache-2.0

#include "controller/programs/saspd/instance_lock.hpp"

#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace saspd::programs {
namespace {

// "pid 4711 of user saspd", as it was when it took the lock; empty: not known.
std::string holder_of(const sockaddr* address, socklen_t length) {
  const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ucred peer{};
  socklen_t size = sizeof peer;
  const bool known = socket && ::connect(socket.get(), address, length) == 0 &&
                     ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  if (!known || peer.pid == 0) return {};  // 0: of another PID namespace
  const passwd* user = ::getpwuid(peer.uid);
  return fmt::format("pid {} of user {}", peer.pid,
                     user != nullptr ? std::string(user->pw_name) : std::to_string(peer.uid));
}

}  // namespace

Result<InstanceLock> InstanceLock::take(std::string_view backend) {
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string name = fmt::format("saspd-{}", backend);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A leading NUL makes the name abstract, unix(7).
  name.copy(&address.sun_path[1], sizeof address.sun_path - 1);
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const auto* at = reinterpret_cast<const sockaddr*>(&address);
  if (!socket || ::bind(socket.get(), at, length) != 0) {
    const std::error_code code(errno, std::generic_category());
    const std::string holder =
        code == std::errc::address_in_use ? holder_of(at, length) : std::string();
    return fail(code, fmt::format("abstract socket @{}: {}", name,
                                  holder.empty() ? code.message() : "held by " + holder));
  }
  ::listen(socket.get(), SOMAXCONN);  // for holder_of(); no connection is accepted
  return InstanceLock(std::move(socket));
}

}  // namespace saspd::programs
