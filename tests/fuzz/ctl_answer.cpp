// SPDX-License-Identifier: Apache-2.0
// Whatever a program answers, saspctl shows it in lines of harmless text, and ends with a code of
// its own.
#include <string>
#include <string_view>

#include <boost/json/parse.hpp>

#include "controller/base/text.hpp"
#include "controller/ctl/outcome.hpp"
#include "controller/ctl/watch.hpp"
#include "controller/report/json.hpp"
#include "tests/fuzz/check.hpp"

namespace {

namespace json = boost::json;
using namespace saspd;
using saspd::fuzz::check;

bool is_harmless(std::string_view text) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (!is_clean_utf8(text.substr(0, end))) return false;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return true;
}

// The same without the colours that saspctl makes itself.
std::string without_colors(std::string text) {
  for (auto at = text.find("\x1b["); at != std::string::npos; at = text.find("\x1b[", at)) {
    const auto end = text.find('m', at);
    if (end == std::string::npos || end - at > 4) return text;
    text.erase(at, end - at + 1);
  }
  return text;
}

void check_watch(const json::object& answer) {
  for (const auto& change :
       ctl::changes({{"b", "x"}}, ctl::watched(report::from_json<report::Watch>(answer))))
    check(is_harmless(ctl::watch_line(change, "12:00:00", false)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  boost::system::error_code ec;
  auto value = json::parse(text, ec, {}, options);
  if (ec || !value.is_object()) return 0;

  ctl::Options asked;
  constexpr auto commands = static_cast<unsigned>(ctl::Command::trace) + 1;
  asked.command = static_cast<ctl::Command>((data[0] & 0x3FU) % commands);
  asked.check = (data[0] & 0x40) != 0;
  const auto plain = ctl::outcome(asked, value.get_object(), false);
  check(is_harmless(plain.out));
  check(is_clean_utf8(plain.err));
  check(plain.err.empty() || plain.code != ExitCode::ok);
  const auto colored = ctl::outcome(asked, value.get_object(), true);
  check(without_colors(colored.out) == plain.out);
  check(colored.code == plain.code);
  check_watch(value.get_object());
  return 0;
}
