// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/attach_request.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "controller/base/descriptor.hpp"

namespace saspd::director {
namespace {

// "eth0 (not_attached), eth1 (not_attached)"; empty: attaching again mends nothing.
std::string to_be_mended(const std::vector<lb::Problem>& problems) {
  std::string text;
  for (const auto& problem : problems) {
    if (!problem.mended_by_attach) continue;
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", problem.subject, problem.name);
  }
  return text;
}

}  // namespace

std::optional<AttachRequest::News> AttachRequest::look(const std::vector<lb::Problem>& problems,
                                                       TimePoint now) {
  const std::string what = to_be_mended(problems);
  if (!what.empty()) {
    well_since_.reset();
    return now >= next_ ? ask(what, now) : std::nullopt;
  }
  if (!well_since_) well_since_ = now;
  if (now - *well_since_ >= most) pause_ = least;
  error_.clear();
  const unsigned requests = std::exchange(of_present_, 0);
  if (requests == 0) return std::nullopt;
  return News{false, fmt::format("the XDP program is attached as before, after {} request{}",
                                 requests, requests == 1 ? "" : "s")};
}

std::optional<AttachRequest::News> AttachRequest::ask(const std::string& what, TimePoint now) {
  next_ = now + pause_;
  pause_ = std::min<Duration>(2 * pause_, most);
  const auto written = write(what);
  if (!written) {
    const bool known = written.error().detail == error_;
    error_ = written.error().detail;
    if (known) return std::nullopt;
    return News{
        true,
        fmt::format("--attach-request: cannot request that the XDP program be attached again: {}",
                    error_)};
  }
  error_.clear();
  ++asked_;
  ++of_present_;
  if (of_present_ == 1) {
    return News{false, fmt::format("requesting that the XDP program be attached again, by {}: {}",
                                   path_, what)};
  }
  return News{true, fmt::format("request {} to attach the XDP program again; earlier ones failed "
                                "(journalctl -u 'saspd-xdp-reattach*' shows why): {}",
                                of_present_, what)};
}

std::string AttachRequest::text() const {
  if (!error_.empty()) return fmt::format("cannot request that it be attached again: {}", error_);
  if (of_present_ == 0) return {};
  return fmt::format("requested {} time{} that it be attached again", of_present_,
                     of_present_ == 1 ? "" : "s");
}

// Closing what was written is what is watched for.
Result<void> AttachRequest::write(const std::string& what) const {
  const auto failed = [this] {
    const std::error_code code(errno, std::generic_category());
    return fail(code, fmt::format("{}: {}", path_, code.message()));
  };
  constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const Descriptor file(::open(path_.c_str(), flags, 0644));
  if (!file) return failed();
  const std::string line = what + "\n";
  if (::write(file.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    return failed();
  return {};
}

}  // namespace saspd::director
