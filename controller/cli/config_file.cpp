#include "controller/cli/config_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "controller/base/descriptor.hpp"

namespace saspd::cli {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

Result<ConfigLine> parse_line(std::size_t number, std::string_view line) {
  // Addresses are handed to C functions, which would not see what stands behind it.
  if (line.find('\0') != std::string_view::npos) {
    return fail(std::errc::invalid_argument, "the line has a NUL byte");
  }
  const auto equals = line.find('=');
  const auto key = trim(line.substr(0, equals));
  if (equals == std::string_view::npos || key.empty()) {
    return fail(std::errc::invalid_argument, fmt::format("'{}' is not 'key = value'", line));
  }
  return ConfigLine{number, std::string(key), std::string(trim(line.substr(equals + 1)))};
}

Error cannot_read(const std::string& path, int error) {
  const std::error_code code(error, std::generic_category());
  return fail(code, fmt::format("cannot read {}: {}", path, code.message()));
}

Result<std::string> content_of(const Descriptor& file, const std::string& path) {
  std::string text;
  std::array<char, 16384> buffer{};
  ssize_t n = 0;
  while (text.size() <= max_config_bytes) {
    n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  if (n < 0) return cannot_read(path, errno);
  if (text.size() > max_config_bytes) return cannot_read(path, EFBIG);
  return text;
}

std::string_view kind_of(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO";
  return S_ISSOCK(mode) ? "a socket" : "a device";
}

}  // namespace

Result<std::vector<ConfigLine>> parse_config(std::string_view file, std::string_view text) {
  std::vector<ConfigLine> lines;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    const auto line = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    auto parsed = parse_line(number, line);
    if (!parsed) return fail(at(fmt::format("{}:{}", file, number), parsed.error()));
    lines.push_back(std::move(*parsed));
  }
  return lines;
}

Result<std::string> read_text_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return file ? content_of(file, path) : cannot_read(path, errno);
}

Result<std::string> read_regular_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat found {};
  if (!file || ::fstat(file.get(), &found) != 0) return cannot_read(path, errno);
  if (!S_ISREG(found.st_mode) && !S_ISDIR(found.st_mode)) {
    return fail(std::errc::operation_not_supported,
                fmt::format("cannot read {}: it is {}; put a regular file in its place", path,
                            kind_of(found.st_mode)));
  }
  return content_of(file, path);
}

}  // namespace saspd::cli
