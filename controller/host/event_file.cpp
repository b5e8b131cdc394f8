// SPDX-License-Identifier: Apache-2.0

#include "controller/host/event_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "controller/events/history.hpp"

namespace saspd::host {
namespace {

constexpr KeptFile::About about(std::string_view program, std::string_view flag) {
  return {"history", program, flag};
}

std::string failed(std::string_view what, const std::string& path) {
  const std::error_code code(errno, std::generic_category());
  return fmt::format("cannot {} {}: {}", what, path, code.message());
}

}  // namespace

EventFile::EventFile(std::string path, std::string_view program, std::string_view flag,
                     std::size_t most)
    : path_(std::move(path)), file_(path_, about(program, flag)), most_(most / 2) {}

std::deque<report::Event> EventFile::load() {
  std::string text;
  for (const auto& path : {older(), path_}) {
    const auto part = KeptFile(path, about("", "")).read();
    if (part) text += *part;
  }
  if (const auto locked = file_.lock(); !locked) {
    error_ = locked.error().detail;
    if (file_.of_another()) return {};
  } else if (!open()) {
    error_ = failed("write", path_);
  }
  return events::parse_lines(text);
}

bool EventFile::open() {
  out_ = Descriptor(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                           S_IRUSR | S_IWUSR | S_IRGRP));
  struct stat status {};
  if (!out_ || ::fstat(out_.get(), &status) != 0) return false;
  size_ = static_cast<std::size_t>(status.st_size);
  return true;
}

void EventFile::append(const std::vector<report::Event>& events) {
  if (!out_ || events.empty()) return;
  std::string lines;
  for (const auto& event : events)
    lines += events::line_of(event);
  if (size_ + lines.size() > most_) turn_over();
  // What the disk does not take is missing there, and the lines after it are whole again.
  const auto written = ::write(out_.get(), lines.data(), lines.size());
  const bool whole = written == static_cast<ssize_t>(lines.size());
  error_ = whole ? std::string() : failed("write", path_);
  if (!whole && written > 0) (void)!::write(out_.get(), "\n", 1);
  if (written > 0) size_ += static_cast<std::size_t>(written);
}

void EventFile::turn_over() {
  if (std::rename(path_.c_str(), older().c_str()) == 0) (void)open();
}

}  // namespace saspd::host
