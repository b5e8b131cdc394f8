// What is known of the members, and what that means as weights (RFC 4678 5.3). Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/sasp/messages.hpp"

namespace saspd::gwm {

// What the GWM knows of one member of one group. The default is no knowledge: the confident flag is
// off, and contact stays on, because a contact flag that is off says "avoid it" and we cannot know
// that; with all members like this an LB goes by its own means (RFC 4678 5.3).
struct Advice {
  bool contact = true;
  bool confident = false;
  bool quiesce = false;  // by the administrator of the GWM
  std::uint16_t weight = 0;
  bool operator==(const Advice&) const = default;
};

// By group name (of every load balancer that has such a group) and member.
using AdviceTable = std::map<std::string, std::map<sasp::MemberKey, Advice>, std::less<>>;

class Weigher {
 public:
  void use(AdviceTable table) { table_ = std::move(table); }
  Advice advice(std::string_view group, const sasp::MemberKey& member) const;

 private:
  AdviceTable table_;
};

// Flags and weight as they are sent: whoever quiesced the member, and a member without contact,
// gets weight 0 (RFC 4678 5.3, sasp-interop rows 6 and 43).
sasp::WeightEntry weight_entry(sasp::MemberData member, std::uint8_t state, bool quiesced,
                               bool registered_by_lb, const Advice& advice);

// A group in which no member has a weight would get no work: its available members (contact on, not
// quiesced) then weigh 1 each (sasp-interop row 44).
void spread_if_all_zero(std::vector<sasp::WeightEntry>& group);

}  // namespace saspd::gwm
