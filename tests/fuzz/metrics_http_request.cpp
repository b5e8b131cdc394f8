// SPDX-License-Identifier: Apache-2.0
// Whatever a client of the metrics sends is judged, as the server cuts it, and nothing follows a
// request that was not understood.
#include <string>
#include <string_view>

#include "controller/metrics/http_request.hpp"
#include "tests/fuzz/check.hpp"

using saspd::fuzz::check;
using saspd::metrics::HttpVerdict;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  for (;;) {
    const auto end = input.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    // On the heap, so that reading beyond it is seen.
    const std::string header(input.substr(0, end + 4));
    input.remove_prefix(end + 4);

    const auto verdict = saspd::metrics::judge_request(header);
    const auto status = static_cast<unsigned>(verdict.status);
    const bool understood = status == 200 || status == 404 || status == 405;
    check(understood || status == 400 || status == 413 || status == 505);
    check((verdict.page == HttpVerdict::Page::reason) == (status != 200));
    check(verdict.version == 10 || verdict.version == 11);
    check(understood || (!verdict.keep_alive && !verdict.head_only));
    check(verdict.page != HttpVerdict::Page::metrics ||
          header.find(" /metrics") != std::string::npos);
    if (!verdict.keep_alive) return 0;
  }
}
