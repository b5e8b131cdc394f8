// SPDX-License-Identifier: Apache-2.0
// Which members get no new work because people say so: the operator by saspctl, and the drains file.
// A drain belongs to its origin, and only its origin can lift it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/error.hpp"
#include "controller/base/member_name.hpp"
#include "controller/sasp/types.hpp"

namespace saspd::gwm {

// Whether the name means this member of this group, whatever its protocol.
bool names(const MemberName& name, std::string_view group, const sasp::MemberKey& member);

// A drain by the operator.
struct Drain {
  std::string by;              // "uid 0 (pid 4711)"
  std::int64_t unix_time = 0;  // seconds; 0: not known
  bool operator==(const Drain&) const = default;
};

class Drains {
 public:
  // Each returns whether anything has changed. What is drained already keeps who did it first.
  bool add(const MemberName& member, const Drain& drain);
  bool remove(const MemberName& member);
  bool use(std::set<MemberName> file);  // as a whole

  bool by_operator(std::string_view group, const sasp::MemberKey& member) const;
  bool by_file(std::string_view group, const sasp::MemberKey& member) const;
  // The names in the file that mean the same members as this one, or some of them.
  std::vector<MemberName> in_file(const MemberName& member) const;

  const std::map<MemberName, Drain>& of_operator() const { return of_operator_; }
  const std::set<MemberName>& of_file() const { return of_file_; }

 private:
  std::map<MemberName, Drain> of_operator_;
  std::set<MemberName> of_file_;
};

// The drains file: one member per line, as in `saspctl drain`. All of the text is accepted or none:
// the error names the line. A text without members drains none. A last line without a newline is
// refused: the file may be half written, and 192.0.2.1:80 the beginning of 192.0.2.1:8080.
//
//   192.0.2.1:80              # in every group
//   web/192.0.2.2:80          # in this one only
//   hosts/192.0.2.5           # a system member
Result<std::set<MemberName>> parse_drains(std::string_view text);

}  // namespace saspd::gwm
