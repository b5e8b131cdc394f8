// SPDX-License-Identifier: Apache-2.0
// The words of answers: lists that may grow, an enumerator each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <boost/describe/enum.hpp>

#include "controller/sasp/link_state.hpp"

namespace saspd::report {

// The rule that decided a weight, highest precedence first.
enum class Reason : std::uint8_t {
  override_,      // the operator set it: its word is "override"
  held_operator,  // the operator lets nothing of the group be written
  leaving,        // drained before it is removed: no new connections
  foreign_zero,   // another program wrote 0, which only its author raises
  unclear_zero,   // another program may have written 0: held until raised or returned to advice
  quiesced,
  no_contact,
  not_confident,  // others of the group are known (RFC 4678 5.3); if none is: no advice
  advice,
  static_weight,   // never advised
  held_all_zero,   // the advice would leave the service without any server
  held_panic,      // the advice would leave it fewer servers than --panic
  foreign_weight,  // another program wrote it, and --drift lets it stand
  held_stale,      // no fresh advice for --stale-after: what --on-stale makes of the last
  unbound,         // not in the kernel

  static_ = static_weight,  // its word
};
BOOST_DESCRIBE_ENUM(Reason, override_, held_operator, leaving, foreign_zero, unclear_zero, quiesced,
                    no_contact, not_confident, advice, static_, held_all_zero, held_panic,
                    foreign_weight, held_stale, unbound)

// What keeps a weight from what was decided, for now.
enum class PaceRule : std::uint8_t {
  calm,      // it was written a moment ago
  max_step,  // it moves by --max-step with each write
};
BOOST_DESCRIBE_ENUM(PaceRule, calm, max_step)

enum class ZeroAuthor : std::uint8_t { nobody, ours, foreign, unclear };  // nobody: it is not 0
BOOST_DESCRIBE_ENUM(ZeroAuthor, nobody, ours, foreign, unclear)

enum class Doubt : std::uint8_t { none, no_record, added_again, edited, restored };
BOOST_DESCRIBE_ENUM(Doubt, none, no_record, added_again, edited, restored)

// What is done about a weight that another program wrote.
enum class DriftPolicy : std::uint8_t {
  overwrite,  // with what is decided
  report,     // it stands until something else is decided, and is a warning
  adopt,      // it stands until then, as if it were decided
};
BOOST_DESCRIBE_ENUM(DriftPolicy, overwrite, report, adopt)

// How old the advice of a group is, against what its GWM announced.
enum class AdviceState : std::uint8_t {
  fresh,
  ageing,  // more of it is overdue, or the GWM gives none; nothing follows yet
  stale,   // for --stale-after: --on-stale acts
};
BOOST_DESCRIBE_ENUM(AdviceState, fresh, ageing, stale)

// What --on-stale makes of stale advice.
enum class OnStale : std::uint8_t {
  hold,
  static_,  // its word is "static"
  drain,
};
BOOST_DESCRIBE_ENUM(OnStale, hold, static_, drain)

using sasp::LinkState;

enum class ProbeState : std::uint8_t { unknown, up, down };
BOOST_DESCRIBE_ENUM(ProbeState, unknown, up, down)

// Its word: the name of the enumerator, without an underscore at its end.
std::string_view name(Reason reason);
std::string_view name(ZeroAuthor author);
std::string_view name(Doubt doubt);
std::string_view name(ProbeState state);
std::string_view name(AdviceState state);
std::string_view name(OnStale action);
std::string_view name(DriftPolicy policy);
std::string_view name(PaceRule rule);

// A word of an answer. One that is not in our list is of a newer program, and is kept as it is;
// none at all is the empty text.
template <class Enum>
class Word {
 public:
  Word() = default;
  Word(Enum known) : value_(known) {}
  explicit Word(std::string unknown) : value_(std::move(unknown)) {}
  Word& operator=(Enum known) {
    value_ = known;
    return *this;
  }

  std::optional<Enum> known() const {
    const auto* known = std::get_if<Enum>(&value_);
    return known != nullptr ? std::optional(*known) : std::nullopt;
  }
  std::string text() const {
    const auto* known = std::get_if<Enum>(&value_);
    return known != nullptr ? std::string(name(*known)) : std::get<std::string>(value_);
  }
  bool operator==(const Word&) const = default;
  bool operator==(Enum other) const { return known() == other; }

 private:
  std::variant<std::string, Enum> value_;
};

}  // namespace saspd::report
