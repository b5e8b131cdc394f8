// SPDX-License-Identifier: Apache-2.0
// A ledger, whole by its seal, is taken as a whole or not at all; what was taken comes back the same
// from its own text. Of another boot less is believed, and never more.
#include <string>
#include <string_view>

#include "controller/base/sealed_text.hpp"
#include "controller/saspd/ledger.hpp"
#include "tests/fuzz/check.hpp"

using namespace saspd;
using namespace saspd::director;
using saspd::fuzz::check;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const LedgerPlace here{"ipvs", "b00t", "cookie:7", ""};
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const char* version : {"1", "2"}) {
    const auto text = sealed({"saspd-ledger", version, "a ledger"},
                             "table ipvs b00t cookie:7\n" + std::string(body));
    const auto ledger = Ledger::parse(text, here);
    if (!ledger) continue;
    const auto kept = ledger->text(here);
    const auto again = Ledger::parse(kept, here);
    check(again.has_value() && again->text(here) == kept && !again->unkept());
    const auto later = Ledger::parse(kept, {"ipvs", "b002", "cookie:8", ""});
    check(later.has_value());
    for (const auto& service : later->services())
      check(ledger->services().contains(service));
  }
  return 0;
}
