// SPDX-License-Identifier: Apache-2.0
// A disk for the ledger, in memory: it outlives the reconciler, and can be full.
#pragma once

#include <limits>
#include <string>

#include "controller/saspd/ledger.hpp"
#include "tests/support/fake_dataplane.hpp"

namespace saspd::test {

class FakeLedger : public director::LedgerKeeper {
 public:
  // What a ledger that knows of no destination says; with "": it is lost.
  std::string text = director::Ledger::empty().text(place());
  director::LedgerPlace here = place();
  std::size_t writes = 0;
  bool full = false;

  static director::LedgerPlace place() { return {"ipvs", "boot1", "cookie:1", ""}; }
  void reset() {
    text = director::Ledger::empty().text(place());
    here = place();
    full = false;
    killing_ = std::numeric_limits<std::size_t>::max();
  }
  // The nth write from now on (0: the next) ends us, before or after it.
  void kills_on(std::size_t nth, bool after) {
    killing_ = writes + nth;
    after_ = after;
  }

  director::Ledger load() const {
    auto ledger = director::Ledger::parse(text, here);
    return ledger ? std::move(*ledger) : director::Ledger();
  }
  bool keep(const director::Ledger& ledger) override {
    error_ = full ? "full" : "";
    if (full) return false;
    const bool kills = writes++ == killing_;
    if (kills && !after_) throw FakeDataplane::Killed{};
    text = ledger.text(here);
    if (kills) throw FakeDataplane::Killed{};
    return true;
  }
  const std::string& error() const override { return error_; }

 private:
  std::string error_;
  std::size_t killing_ = std::numeric_limits<std::size_t>::max();
  bool after_ = false;
};

}  // namespace saspd::test
