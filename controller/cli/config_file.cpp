#include "controller/cli/config_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/format.h>

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
  const auto failed = [&](int error) {
    const std::error_code code(error, std::generic_category());
    return fail(code, fmt::format("cannot read {}: {}", path, code.message()));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return failed(errno);
  std::string text;
  std::array<char, 16384> buffer{};
  ssize_t n = 0;
  while (text.size() <= max_config_bytes) {
    n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  const int error = n < 0 ? errno : text.size() > max_config_bytes ? EFBIG : 0;
  ::close(fd);
  if (error != 0) return failed(error);
  return text;
}

}  // namespace saspd::cli
