#include "controller/base/file_watch.hpp"

#include <sys/stat.h>

#include <utility>

namespace saspd {

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
  return stamps && stamps != read_ && stamps == before;
}

}  // namespace saspd
