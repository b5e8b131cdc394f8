// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/keepalived_fifo.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <limits>

#include <fmt/format.h>

#include "controller/base/lines.hpp"

namespace saspd::director {
namespace {

constexpr std::size_t max_line = 1024;  // keepalived's own buffer for a service is half of it

// "[10.0.0.1]:tcp:80"
std::optional<lb::VirtualEndpoint> parse_trio(std::string_view text) {
  const auto end = text.find("]:");
  if (!text.starts_with('[') || end == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(1, end - 1));
  const auto rest = text.substr(end + 2);
  const auto colon = rest.find(':');
  if (!address || colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_number(rest.substr(colon + 1), 0, 65535);
  if (!port) return std::nullopt;
  for (const auto protocol : {lb::Protocol::tcp, lb::Protocol::udp, lb::Protocol::sctp}) {
    if (rest.substr(0, colon) == lb::name(protocol)) {
      return lb::VirtualEndpoint{protocol, {*address, static_cast<std::uint16_t>(*port)}};
    }
  }
  return std::nullopt;
}

std::vector<lb::ServiceKey> services_of(std::string_view text) {
  if (const auto service = parse_trio(text)) return {*service};
  constexpr std::string_view mark = "FWM ";
  if (text.starts_with(mark)) {
    const auto number =
        parse_number(text.substr(mark.size()), 1, std::numeric_limits<std::uint32_t>::max());
    if (number) {
      const auto value = static_cast<std::uint32_t>(*number);
      return {lb::FirewallMark{Family::v4, value}, lb::FirewallMark{Family::v6, value}};
    }
  }
  return {};
}

}  // namespace

std::optional<KeepalivedNews> parse_keepalived_line(std::string_view line) {
  line = trimmed(line);
  if (take_first_word(line) != "RS") return std::nullopt;
  const auto server = parse_trio(take_first_word(line));
  const auto state = take_last_word(line);
  if (!server || line.empty() || (state != "UP" && state != "DOWN")) return std::nullopt;
  return KeepalivedNews{server->endpoint, services_of(trimmed(line)), state == "UP"};
}

std::vector<KeepalivedNews> KeepalivedLines::append(std::string_view bytes) {
  std::vector<KeepalivedNews> news;
  rest_ += bytes;
  for (auto end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n')) {
    const auto parsed = parse_keepalived_line(std::string_view(rest_).substr(0, end));
    if (parsed && !passing_over_) news.push_back(*parsed);
    passing_over_ = false;
    rest_.erase(0, end + 1);
  }
  if (rest_.size() > max_line) {
    rest_.clear();
    passing_over_ = true;
  }
  return news;
}

void KeepalivedLines::clear() {
  rest_.clear();
  passing_over_ = false;
}

std::vector<KeepalivedNews> KeepalivedFifo::read() {
  std::vector<KeepalivedNews> news;
  if (fifo_) drain(news);
  if (!is_in_place()) {
    open();
    if (fifo_) drain(news);
  }
  return news;
}

bool KeepalivedFifo::is_in_place() const {
  struct stat ours {};
  struct stat there {};
  return fifo_ && ::fstat(fifo_.get(), &ours) == 0 && ::stat(path_.c_str(), &there) == 0 &&
         ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

// For writing too, so that it has no end while keepalived is restarted.
void KeepalivedFifo::open() {
  fifo_ = Descriptor();
  lines_.clear();
  ++generation_;
  const bool made = ::mkfifo(path_.c_str(), 0600) == 0 || errno == EEXIST;
  if (made) fifo_ = Descriptor(::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  struct stat found {};
  if (!fifo_) {
    const std::error_code code(errno, std::generic_category());
    error_ = fmt::format("{}: {}", path_, code.message());
    if (code == std::errc::permission_denied) {
      error_ += "; let keepalived create it for our user: lvs_notify_fifo PATH saspd saspd";
    }
  } else if (::fstat(fifo_.get(), &found) != 0 || !S_ISFIFO(found.st_mode)) {
    error_ = fmt::format("{}: not a FIFO", path_);
    fifo_ = Descriptor();
  } else {
    error_.clear();
  }
}

void KeepalivedFifo::drain(std::vector<KeepalivedNews>& news) {
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t size = ::read(fifo_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    for (auto& line : lines_.append({buffer.data(), static_cast<std::size_t>(size)}))
      news.push_back(std::move(line));
  }
}

}  // namespace saspd::director
