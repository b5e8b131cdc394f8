// SPDX-License-Identifier: Apache-2.0

#include "controller/base/file_watch.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <utility>

namespace saspd {
namespace {

constexpr unsigned looks_until_gone = 4;

}  // namespace

std::optional<FileStamps> stamps_of(const std::vector<std::string>& paths) {
  FileStamps stamps;
  for (const std::string& path : paths) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return {};
    stamps.push_back({found.st_dev, found.st_ino, found.st_size,
                      found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec});
  }
  return stamps;
}

bool FileWatch::should_read(const std::optional<FileStamps>& stamps) {
  const auto before = std::exchange(last_seen_, stamps);
  unchanged_ = stamps == before ? unchanged_ + 1 : 0;
  missing_ = stamps ? 0 : missing_ + 1;
  if (!stamps || stamps == read_) return false;
  return unchanged_ >= (is_in_place(*stamps) ? looks_in_place_ : 1);
}

bool FileWatch::is_gone() const {
  return missing_ >= looks_until_gone;
}

// The same file as was read, with other content.
bool FileWatch::is_in_place(const FileStamps& stamps) const {
  const auto same_file = [](const FileStamp& a, const FileStamp& b) {
    return a.device == b.device && a.inode == b.inode && a != b;
  };
  if (!read_) return false;
  for (std::size_t i = 0; i < std::min(stamps.size(), read_->size()); ++i) {
    if (same_file(stamps[i], (*read_)[i])) return true;
  }
  return false;
}

// The stamps are taken before the content: a change after them is seen by the next look.
Result<void> WatchedFiles::read() {
  if (paths_.empty()) return {};
  const auto stamps = stamps_of(paths_);
  auto done = callbacks_.read();
  watch_.was_read(done ? stamps : std::nullopt);
  return done;
}

void WatchedFiles::read_now() {
  if (paths_.empty()) return;
  error_.clear();
  try_again();
}

void WatchedFiles::look() {
  if (paths_.empty()) return;
  if (watch_.should_read(stamps_of(paths_)) || watch_.is_gone()) try_again();
}

void WatchedFiles::try_again() {
  const auto done = read();
  const std::string why = done ? std::string() : done.error().detail;
  const bool is_news = std::exchange(error_, why) != why;
  if (done) {
    callbacks_.read_again();
  } else if (is_news) {
    callbacks_.failed(why);
  }
}

}  // namespace saspd
