// SPDX-License-Identifier: Apache-2.0

#include "controller/net/notify.hpp"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "controller/base/address.hpp"
#include "controller/base/descriptor.hpp"

namespace saspd::net {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::optional<Duration> wanted_watchdog() {
  constexpr auto any = std::numeric_limits<std::int64_t>::max() / 1000;
  const auto period = parse_number(environment("WATCHDOG_USEC"), 1, any);
  if (!period) return std::nullopt;
  // For another process, say the one that started us.
  const std::string pid = environment("WATCHDOG_PID");
  if (!pid.empty() && pid != std::to_string(::getpid())) return std::nullopt;
  return std::chrono::microseconds(*period);
}

}  // namespace

Notifier Notifier::from_environment() {
  return Notifier(environment("NOTIFY_SOCKET"), wanted_watchdog());
}

bool Notifier::tell(std::string_view lines, std::chrono::seconds patience) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return false;
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return ::sendto(socket.get(), lines.data(), lines.size(),
                  MSG_NOSIGNAL | (patience == no_time ? MSG_DONTWAIT : 0),
                  reinterpret_cast<const sockaddr*>(&address), size) >= 0;
}

bool Notifier::status(std::string_view text) const {
  std::string line = "STATUS=";
  for (const char c : text)
    line += c == '\n' ? ' ' : c;
  return tell(line, no_time);
}

// notify-reload of systemd 253 recognizes by the time that this is the answer to its signal.
void Notifier::reloading() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}",
                   std::chrono::duration_cast<std::chrono::microseconds>(now).count()),
       a_moment);
}

void Notifier::stopping(std::chrono::microseconds time) const {
  tell(fmt::format("STOPPING=1\nEXTEND_TIMEOUT_USEC={}", time.count()), a_moment);
}

Watchdog::Watchdog(boost::asio::io_context& io, const Notifier& notifier)
    : notifier_(notifier), timer_(io) {}

void Watchdog::start() {
  if (!notifier_.watchdog()) return;
  notifier_.alive();
  timer_.expires_after(*notifier_.watchdog() / 2);
  timer_.async_wait([this](boost::system::error_code ec) {
    if (!ec) start();
  });
}

StatusLine::StatusLine(boost::asio::io_context& io, const Notifier& notifier,
                       std::function<std::string()> text)
    : notifier_(notifier), text_(std::move(text)), timer_(io) {}

void StatusLine::start(Duration every) {
  if (!notifier_.is_heard()) return;
  std::string text = text_();
  if (text != told_ && notifier_.status(text)) told_ = std::move(text);
  timer_.expires_after(every);
  timer_.async_wait([this, every](boost::system::error_code ec) {
    if (!ec) start(every);
  });
}

}  // namespace saspd::net
