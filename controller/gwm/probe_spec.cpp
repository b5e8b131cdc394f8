// SPDX-License-Identifier: Apache-2.0

#include "controller/gwm/probe_spec.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controller/base/text.hpp"
#include "controller/sasp/names.hpp"

namespace saspd::gwm {
namespace {

constexpr std::size_t max_path = 1024;
constexpr std::string_view http_prefix = "http:";
constexpr std::string_view agent_prefix = "agent:";

std::string_view name(ProbeSpec::Kind kind) {
  switch (kind) {
    case ProbeSpec::Kind::tcp: return "tcp";
    case ProbeSpec::Kind::http: return "http";
    case ProbeSpec::Kind::agent: return "agent";
  }
  return "unknown";
}

// RFC 9112 3.2: no byte of it may end the request line, or need an encoding that we would choose.
Result<void> check_path(std::string_view path) {
  if (!path.starts_with('/')) {
    return fail(std::errc::invalid_argument,
                fmt::format("the path '{}' does not begin with '/'", printable(path)));
  }
  if (path.size() > max_path) {
    return fail(std::errc::invalid_argument,
                fmt::format("the path has {} bytes, at most {}", path.size(), max_path));
  }
  const auto is_sent_as_it_is = [](char c) { return c > ' ' && c <= '~' && c != '#'; };
  if (!std::all_of(path.begin(), path.end(), is_sent_as_it_is)) {
    return fail(std::errc::invalid_argument,
                fmt::format("the path '{}' has a space, a '#' or a byte that is not ASCII; "
                            "write them as %20, %23, ...",
                            printable(path)));
  }
  return {};
}

// Nothing: none.
using MaybeSpec = std::optional<ProbeSpec>;

Result<MaybeSpec> parse_kind(std::string_view text) {
  if (text == "none") return MaybeSpec{};
  if (text == "tcp") return MaybeSpec{ProbeSpec{}};
  if (text.starts_with(http_prefix)) {
    text.remove_prefix(http_prefix.size());
    if (const auto ok = check_path(text); !ok) return fail(ok.error());
    return MaybeSpec{ProbeSpec{ProbeSpec::Kind::http, std::string(text), 0}};
  }
  if (text.starts_with(agent_prefix)) {
    const auto port = parse_number(text.substr(agent_prefix.size()), 1, 65535);
    if (!port) return fail(at("port of the agent", port.error()));
    return MaybeSpec{ProbeSpec{ProbeSpec::Kind::agent, {}, static_cast<std::uint16_t>(*port)}};
  }
  return fail(std::errc::invalid_argument,
              fmt::format("'{}' is not [GROUP=]none|tcp|http:PATH|agent:PORT", printable(text)));
}

// For a text without any valid kind: the fault of the first one that looks like a kind.
Error explain(std::string_view text) {
  for (std::string_view rest = text;;) {
    if (rest.starts_with(http_prefix) || rest.starts_with(agent_prefix)) {
      return parse_kind(rest).error();
    }
    const auto sign = rest.find('=');
    if (sign == std::string_view::npos) return parse_kind(text).error();
    rest.remove_prefix(sign + 1);
  }
}

struct Value {
  std::optional<std::string_view> group;
  MaybeSpec spec;
};

Result<Value> parse_value(std::string_view text) {
  if (auto whole = parse_kind(text)) return Value{{}, std::move(*whole)};
  for (auto sign = text.find('='); sign != std::string_view::npos;
       sign = text.find('=', sign + 1)) {
    auto spec = parse_kind(text.substr(sign + 1));
    if (!spec) continue;
    const std::string_view group = text.substr(0, sign);
    if (const auto ok = sasp::check_group_name(group); !ok) return fail(ok.error());
    return Value{group, std::move(*spec)};
  }
  return fail(explain(text));
}

}  // namespace

std::string ProbeSpec::text() const {
  switch (kind) {
    case Kind::tcp: break;
    case Kind::http: return fmt::format("{}{}", http_prefix, path);
    case Kind::agent: return fmt::format("{}{}", agent_prefix, port);
  }
  return std::string(name(kind));
}

std::string ProbeTarget::text() const {
  return fmt::format("{} {}", spec.text(), endpoint.text());
}

std::optional<ProbeTarget> target_of(const ProbeSpec& spec, const sasp::MemberKey& member) {
  if (spec.kind == ProbeSpec::Kind::agent) return ProbeTarget{spec, {member.address, spec.port}};
  if (member.protocol != IPPROTO_TCP || member.port == 0) return {};
  return ProbeTarget{spec, member.endpoint()};
}

Result<void> ProbePlan::add(std::string_view text) {
  auto value = parse_value(text);
  if (!value) return fail(value.error());
  const auto refuse = [&](std::string_view why) {
    const std::string whose =
        value->group ? fmt::format("group '{}'", *value->group) : "groups without their own";
    return fail(std::errc::invalid_argument, fmt::format("{} for {}", why, whose));
  };
  List& list = value->group ? by_group_[std::string(*value->group)] : without_group_;
  if (list.is_none && !value->spec) return refuse("none is given twice");
  if (list.is_none || (!value->spec && !list.specs.empty())) {
    return refuse("none is given together with another kind");
  }
  if (!value->spec) {
    list.is_none = true;
    return {};
  }
  const auto same_kind = [&](const ProbeSpec& known) { return known.kind == value->spec->kind; };
  if (std::any_of(list.specs.begin(), list.specs.end(), same_kind)) {
    return refuse(fmt::format("{} is given twice", name(value->spec->kind)));
  }
  list.specs.push_back(std::move(*value->spec));
  return {};
}

std::span<const ProbeSpec> ProbePlan::of(std::string_view group) const {
  const auto own = by_group_.find(group);
  return own == by_group_.end() ? without_group_.specs : own->second.specs;
}

bool ProbePlan::is_none(std::string_view group) const {
  const auto own = by_group_.find(group);
  return own != by_group_.end() && own->second.is_none;
}

}  // namespace saspd::gwm
