// SPDX-License-Identifier: Apache-2.0
// The text of the ledger:
//
//   saspd-ledger 2
//   table ipvs BOOT NAMESPACE [NAME]
//   tcp:192.0.2.10:80 10.0.0.1:8080 here ours none 10 40 others_zero served=86400
//   …
//   scale tcp:192.0.2.10:80 100 60001
//   quiesce 6 10.0.0.1:8080 GROUP
//   by GWM, known_to GWM …
//   end 1a2b3c4d
//
// The name of a group or GWM is the rest of its line. Times are seconds of the clock of the boot.
// Version 1 has destinations alone, and not since when they are lost.

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "controller/base/lines.hpp"
#include "controller/base/sealed_text.hpp"
#include "controller/saspd/ledger.hpp"

namespace saspd::director {
namespace {

using Record = Ledger::Record;
using std::chrono::seconds;

constexpr Seal seal{"saspd-ledger", "2", "a ledger"};
constexpr Seal old_seal{"saspd-ledger", "1", "a ledger"};
constexpr std::array<std::string_view, 4> authors{"nobody", "ours", "foreign", "unclear"};
constexpr std::array<std::string_view, 5> doubts{"none", "no_record", "added_again", "edited",
                                                 "restored"};
constexpr std::array<std::string_view, 3> presences{"here", "gone", "gone_alone"};

template <class Names, class Value>
bool read_name(std::string_view word, const Names& names, Value& value) {
  const auto found = std::find(names.begin(), names.end(), word);
  value = static_cast<Value>(found - names.begin());
  return found != names.end();
}

bool read_weight(std::string_view word, std::uint32_t& weight) {
  const auto number = parse_number(word, 0, lb::max_weight);
  if (number) weight = static_cast<std::uint32_t>(*number);
  return number.has_value();
}

std::string flags_of(const Record& record) {
  std::string text;
  if (record.others_zero) text += " others_zero";
  if (record.held_down) text += " held_down";
  if (record.avoided) text += " avoided";
  if (record.told) text += " told";
  if (record.served)
    text += fmt::format(" served={}",
                        std::chrono::floor<seconds>(record.served->time_since_epoch()).count());
  if (record.standing)
    text += fmt::format(" stands={}/{}", record.standing->weight, record.standing->target);
  return text;
}

std::string line_of(const lb::ServiceKey& service, const Endpoint& endpoint, const Record& record) {
  return fmt::format("{} {} {} {} {} {} {}{}\n", lb::text(service), endpoint.text(),
                     presences.at(static_cast<std::size_t>(record.presence)),
                     authors.at(static_cast<std::size_t>(record.zero)),
                     doubts.at(static_cast<std::size_t>(record.doubt)), record.static_weight,
                     record.last_positive, flags_of(record));
}

std::string lines_of(const std::string& group, const KeptQuiesces& quiesces) {
  std::string text;
  for (const auto& [member, quiesce] : quiesces) {
    text += fmt::format("quiesce {} {} {}\nby {}\n", member.protocol, member.endpoint().text(),
                        group, quiesce.by);
    for (const auto& gwm : quiesce.known_to)
      text += fmt::format("known_to {}\n", gwm);
  }
  return text;
}

bool read_served(std::string_view word, std::optional<TimePoint>& served) {
  const auto most = static_cast<std::uint64_t>(
      std::chrono::floor<seconds>(TimePoint::max().time_since_epoch()).count());
  const auto number = parse_number(word, 0, most);
  if (number) served = TimePoint(seconds{*number});
  return number.has_value();
}

bool read_standing(std::string_view word, std::optional<StandingWeight>& standing) {
  const auto slash = word.find('/');
  if (slash == std::string_view::npos) return false;
  StandingWeight& read = standing.emplace();
  return read_weight(word.substr(0, slash), read.weight) &&
         read_weight(word.substr(slash + 1), read.target);
}

bool read_flag(std::string_view word, Record& record) {
  constexpr std::string_view served = "served=";
  constexpr std::string_view stands = "stands=";
  if (word.starts_with(served)) return read_served(word.substr(served.size()), record.served);
  if (word.starts_with(stands)) return read_standing(word.substr(stands.size()), record.standing);
  bool* const flag = word == "others_zero" ? &record.others_zero
                     : word == "held_down" ? &record.held_down
                     : word == "avoided"   ? &record.avoided
                     : word == "told"      ? &record.told
                                           : nullptr;
  if (flag != nullptr) *flag = true;
  return flag != nullptr;
}

bool read_record(std::string_view text, Record& record) {
  if (!read_name(take_first_word(text), presences, record.presence) ||
      !read_name(take_first_word(text), authors, record.zero) ||
      !read_name(take_first_word(text), doubts, record.doubt) ||
      !read_weight(take_first_word(text), record.static_weight) ||
      !read_weight(take_first_word(text), record.last_positive)) {
    return false;
  }
  for (auto word = take_first_word(text); !word.empty(); word = take_first_word(text)) {
    if (!read_flag(word, record)) return false;
  }
  return true;
}

}  // namespace

// Of the lines below "table".
class Ledger::Reader {
 public:
  Reader(Ledger& ledger, bool is_old) : ledger_(ledger), is_old_(is_old) {}

  bool take(std::string_view line) {
    std::string_view rest = line;
    const auto word = take_first_word(rest);
    if (is_old_) return take_destination(word, rest);
    if (word == "scale") return take_scale(rest);
    if (word == "quiesce") return take_quiesce(rest);
    if (word == "by")
      return quiesce_ != nullptr && quiesce_->by.empty() && take_name(rest, quiesce_->by);
    if (word == "known_to") {
      std::string gwm;
      return quiesce_ != nullptr && take_name(rest, gwm) &&
             quiesce_->known_to.insert(std::move(gwm)).second;
    }
    return take_destination(word, rest);
  }

 private:
  bool take_destination(std::string_view first, std::string_view rest) {
    const auto service = lb::parse_service(first);
    const auto endpoint = Endpoint::parse(take_first_word(rest));
    if (!service || !endpoint) return false;
    Record& record = ledger_.records_[*service][*endpoint];
    if (!read_record(rest, record)) return false;
    // It may be a zero of just now.
    if (is_old_ && record.zero != ZeroAuthor::nobody) record.served = TimePoint::max();
    return true;
  }

  bool take_scale(std::string_view rest) {
    const auto service = lb::parse_service(take_first_word(rest));
    constexpr std::uint64_t most = 1ULL << 48U;
    const auto numerator = parse_number(take_first_word(rest), 1, most);
    const auto denominator = parse_number(take_first_word(rest), 1, most);
    if (!service || !numerator || !denominator || !rest.empty()) return false;
    return ledger_.scales_.emplace(*service, Scale({*numerator, *denominator})).second;
  }

  bool take_quiesce(std::string_view rest) {
    const auto protocol = parse_number(take_first_word(rest), 0, 255);
    const auto endpoint = Endpoint::parse(take_first_word(rest));
    std::string group;
    if (!protocol || !endpoint || !take_name(rest, group)) return false;
    const sasp::MemberKey member{endpoint->address, static_cast<std::uint8_t>(*protocol),
                                 endpoint->port};
    const auto [quiesce, added] = ledger_.quiesces_[group].try_emplace(member);
    quiesce_ = &quiesce->second;
    return added;
  }

  static bool take_name(std::string_view rest, std::string& name) {
    name = rest;
    return !name.empty();
  }

  Ledger& ledger_;
  const bool is_old_;
  KeptQuiesce* quiesce_ = nullptr;  // the last one
};

std::string Ledger::text(const LedgerPlace& here) const {
  std::string body = fmt::format("table {} {} {}{}{}\n", here.backend, here.boot,
                                 here.network_namespace, here.name.empty() ? "" : " ", here.name);
  for (const auto& [service, records] : records_) {
    for (const auto& [endpoint, record] : records)
      body += line_of(service, endpoint, record);
  }
  for (const auto& [service, scale] : scales_) {
    body += fmt::format("scale {} {} {}\n", lb::text(service), scale.factor().numerator,
                        scale.factor().denominator);
  }
  for (const auto& [group, quiesces] : quiesces_)
    body += lines_of(group, quiesces);
  return sealed(seal, body);
}

Result<Ledger> Ledger::parse(std::string_view text, const LedgerPlace& here) {
  const auto damaged = [](std::string what) {
    return fail(std::errc::illegal_byte_sequence, std::move(what));
  };
  auto body = unsealed(seal, text);
  const bool is_old =
      !body && text.starts_with(fmt::format("{} {}\n", old_seal.kind, old_seal.version));
  if (is_old) body = unsealed(old_seal, text);
  if (!body) return fail(body.error());
  std::string_view rest = *body;

  auto table = take_line(rest);
  const auto title = take_first_word(table);
  LedgerPlace there;
  for (std::string* word : {&there.backend, &there.boot, &there.network_namespace, &there.name})
    *word = take_first_word(table);
  if (title != "table" || there.network_namespace.empty()) return damaged("it names no table");
  const bool same_boot = there.boot == here.boot && here.boot != LedgerPlace::unknown;
  const bool same_namespace = there.network_namespace == here.network_namespace;
  // A namespace that was made again under its name is what it was, as after a boot.
  const bool successor = there.name == here.name && (!same_boot || !here.name.empty());
  if (there.backend != here.backend || (!(same_boot && same_namespace) && !successor)) {
    return fail(std::errc::no_such_device,
                "it is about another network namespace, or another --backend");
  }

  Ledger ledger = empty();
  ledger.unkept_ = is_old || !(same_boot && same_namespace);
  Reader reader(ledger, is_old);
  while (!rest.empty()) {
    if (!reader.take(take_line(rest))) return damaged("it is damaged: a line cannot be understood");
  }
  if (!(same_boot && same_namespace)) {
    for (auto& [service, records] : ledger.records_)
      ledger.lose(records, nullptr);
  }
  return ledger;
}

}  // namespace saspd::director
